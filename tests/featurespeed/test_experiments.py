"""Members of the feature speed experiments: what they are, and that they leave each other alone."""

import numpy as np
import pytest
import xarray as xr

from deepcredit.core.errors import UserError
from deepcredit.studies.featurespeed.experiments import feature_speed, feature_speed_depth
from deepcredit.studies.featurespeed.schemas.feature_speed import FeatureSpeed, ResNet, Steps, Updated, branch_scale
from deepcredit.studies.featurespeed.schemas.feature_speed_depth import FeatureSpeedDepth, ResNetsByDepth

SCALES = ["1/L", "0.5/sqrtL", "1/sqrtL", "2/sqrtL", "1"]


def layers(seed: list[int], scales: list[str], updated: list[Updated] | None = None) -> xr.Dataset:
    model = ResNet(num_layers=16, width=50, branch_scale=scales)
    optimizer = Steps(updated=updated or list(Updated))
    return feature_speed.run(FeatureSpeed(experiment="x", scale="ci", seed=seed, model=model, optimizer=optimizer))


def depths(seed: list[int], num_layers: list[int]) -> xr.Dataset:
    model = ResNetsByDepth(num_layers=num_layers, width=50, branch_scale=SCALES)
    return feature_speed_depth.run(FeatureSpeedDepth(experiment="x", scale="ci", seed=seed, model=model))


def test_members_are_the_same_bits_whoever_runs_beside_them():
    together = layers([0, 7], SCALES)
    alone = layers([7], ["1/sqrtL"], [Updated.both])
    xr.testing.assert_identical(
        together.sel(seed=[7], branch_scale=["1/sqrtL"], updated=["both"]).drop_vars("beta"), alone.drop_vars("beta")
    )


def test_depths_are_the_same_bits_whoever_runs_beside_them():
    xr.testing.assert_identical(depths([0, 3], [10, 20, 30]).sel(seed=[3], num_layers=[20]), depths([3], [20]))


def test_arrays_are_those_that_the_schemas_promise():
    pairs = ((layers([0], SCALES), FeatureSpeed.variables), (depths([0], [10, 20]), FeatureSpeedDepth.variables))
    for ds, promised in pairs:
        assert {name: ds[name].dims for name in ds} == {name: v.dims for name, v in promised.items()}
        assert all(np.isfinite(ds[name]).all() for name, v in promised.items() if v.finite)


def test_angle_is_undefined_at_the_first_layer_only():
    undefined = layers([0], SCALES).angle.isnull()
    assert undefined.isel(layer=0).all()
    assert not undefined.isel(layer=slice(1, None)).any()


def test_beta_of_every_depth():
    ds = depths([0], [16, 25])
    np.testing.assert_allclose(ds.beta.sel(num_layers=16), [1 / 16, 0.5 / 4, 1 / 4, 2 / 4, 1])
    np.testing.assert_allclose(ds.beta.sel(num_layers=25), [1 / 25, 0.5 / 5, 1 / 5, 2 / 5, 1])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1/l", "model.branch_scale='1/l' is not valid; allowed: numbers c, c/L or c/sqrtL"),
        ("1.2.3", "allowed: numbers c, c/L or c/sqrtL"),
        ("2", "0 < β ≤ 1 (here β=2 at L=16)"),
        ("5/sqrtL", "0 < β ≤ 1 (here β=1.25 at L=16)"),
        ("0", "0 < β ≤ 1"),
    ],
)
def test_a_wrong_branch_scale_is_named(text, told):
    with pytest.raises(UserError) as error:
        branch_scale(text, 16)
    assert told in str(error.value)


def test_settings_out_of_range_are_named():
    with pytest.raises(UserError, match=r"model.num_layers=2 .* at least 3"):
        ResNet(num_layers=2)
    with pytest.raises(UserError, match=r"model.num_layers=\[10, 10\] .* without repetitions"):
        ResNetsByDepth(num_layers=[10, 10])
    with pytest.raises(UserError, match=r"model.width=0"):
        ResNet(width=0)
    with pytest.raises(UserError, match=r"optimizer.updated=\['both', 'both'\]"):
        Steps(updated=[Updated.both, Updated.both])
