"""Members of the deep linear experiments, the values published with them, and wrong settings."""

import numpy as np
import pytest
import xarray as xr

from deepcredit.core.errors import UserError
from deepcredit.studies.saxe.experiments import deep_linear, linear_regression
from deepcredit.studies.saxe.figures import loss, modes
from deepcredit.studies.saxe.schemas.deep_linear import DeepLinear, Descent, Tree, TwoLayers
from deepcredit.studies.saxe.schemas.linear_regression import Descents, LinearRegression, Regression


def trained(seed: list[int], init_scale: list[float], lr: list[float], **data) -> xr.Dataset:
    """A small network, or the source's where `num_features` is left at 10,000."""
    small = data.get("num_features", 10000) < 10000
    return deep_linear.run(
        DeepLinear(
            experiment="x",
            scale="ci",
            seed=seed,
            model=TwoLayers(width=10 if small else 30, init_scale=init_scale),
            optimizer=Descent(lr=lr, epochs=60 if small else 250),
            data=Tree(**data),
        )
    )


def test_members_are_the_same_bits_whoever_runs_beside_them():
    together = trained([0, 4], [1e-3, 0.1, 1.0], [1.0, 5.0], num_features=40)
    alone = trained([4], [0.1], [5.0], num_features=40)
    xr.testing.assert_identical(together.sel(seed=[4], init_scale=[0.1], weight_lr=[5.0]), alone)


def test_a_diverging_member_is_kept_and_leaves_the_others_alone():
    ds = trained([0], [1.0], [5.0, 1e4], num_features=40)
    diverged = ds.sel(weight_lr=1e4)
    assert not np.isfinite(diverged.loss.isel(epoch=-1)).any()
    assert diverged.singular_value.isel(epoch=-1).isnull().all()
    xr.testing.assert_identical(ds.sel(weight_lr=[5.0]), trained([0], [1.0], [5.0], num_features=40))


def test_arrays_are_those_that_the_schemas_promise():
    gentle = Descents(lr=1.0, zero_depth_lr=1.0)
    regression = LinearRegression(experiment="x", scale="ci", data=Regression(num_features=30), optimizer=gentle)
    pairs = (
        (trained([0, 1], [0.1], [5.0], num_features=40), DeepLinear.variables),
        (linear_regression.run(regression), LinearRegression.variables),
    )
    for ds, promised in pairs:
        assert {name: ds[name].dims for name in ds} == {name: v.dims for name, v in promised.items()}
        assert all(np.isfinite(ds[name]).all() for name, v in promised.items() if v.finite)


def test_singular_values_follow_the_closed_form_from_small_weights():
    ds = trained([2021], [1e-12], [100.0])
    one = modes.member([ds])
    reached = one.singular_value.isel(epoch=-1)
    np.testing.assert_allclose(reached, one.target_singular_value, rtol=1e-6)
    assert modes.times_of_closed_form([ds], tolerance=0.03).holds
    assert modes.modes_in_order([ds], groups=[[1], [2], [3, 4], [5, 6, 7, 8]]).holds


def test_loss_rests_on_the_levels_of_the_modes_not_yet_learned():
    """Eckart–Young: with the k strongest modes learned the error is what the other singular values hold."""
    ds = modes.member([trained([2021], [1e-12], [100.0])])
    y = ds.target.values.astype(float)
    left, values, right = np.linalg.svd(y, full_matrices=False)
    for k in (0, 1, 2, 4):
        error = y - (left[:, :k] * values[:k]) @ right[:k]
        assert loss.plateau_levels(ds)[k] == pytest.approx(np.mean(error**2))
        assert np.abs(ds.loss - np.mean(error**2)).min() < 0.001


def test_the_shark_loses_its_bones_and_the_parrot_learns_to_speak():
    """Peaks published by the source for its seed: near 0.5, and near 0.75 around epoch 101; both end at −1."""
    shark = modes.member([trained([2021], [1e-12], [100.0], new_feature=[-1, 1, 1, 1, -1, -1, -1, -1])])
    parrot = modes.member([trained([2021], [1e-12], [100.0], new_feature=[1, 1, 1, -1, 1, 1, 1, 1], item=3)])
    assert float(shark.prediction.max()) == pytest.approx(0.5, abs=0.05)
    assert float(parrot.prediction.max()) == pytest.approx(0.75, abs=0.02)
    assert abs(int(parrot.prediction.argmax("epoch")) - 101) <= 2
    assert float(shark.prediction[-1]) == pytest.approx(-1, abs=1e-6)
    assert float(parrot.prediction[-1]) == pytest.approx(-1, abs=1e-6)


def test_zero_depth_network_follows_its_closed_form():
    """W_t = Y + (1 − 2 lr / n)^t (W_0 − Y) for one-hot inputs."""
    random = np.random.RandomState(0)
    first, goal = random.randn(7, 4), random.randn(7, 4)
    losses, last = linear_regression.train_zero_depth(first, goal, 1.5, 12)
    shrink = 1 - 2 * 1.5 / 28
    np.testing.assert_allclose(last, goal + shrink**12 * (first - goal))
    np.testing.assert_allclose(losses, np.mean((first - goal) ** 2) * shrink ** (2 * np.arange(12)))


def test_a_zero_depth_network_may_diverge():
    losses, last = linear_regression.train_zero_depth(np.ones((2, 2)), np.zeros((2, 2)), 1e3, 200)
    assert losses[0] == 1
    assert not np.isfinite(losses[-1])
    assert not np.isfinite(last).any()


def test_matrix_is_recovered_exactly_without_noise():
    true, found = linear_regression.recover(3, Regression(noise=0.0, matrix_size=4, num_samples=9))
    np.testing.assert_allclose(found, true, atol=1e-9)
    assert set(true.ravel()) <= set(range(10))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (lambda: Tree(flip=1.2), "data.flip=1.2 is not valid; allowed: a probability"),
        (lambda: Tree(item=8), "data.item=8 is not valid; allowed: 0 to 7"),
        (lambda: Tree(new_feature=[1, -1]), "data.new_feature=[1, -1] is not valid; allowed: [] or 8 values"),
        (lambda: Tree(new_feature=[0] * 8), "allowed: [] or 8 values of -1 or 1"),
        (lambda: TwoLayers(init_scale=[0.0]), "model.init_scale=[0.0] is not valid; allowed: a non-empty list of pos"),
        (lambda: Descent(lr=[1.0, 1.0]), "optimizer.lr=[1.0, 1.0] is not valid"),
        (lambda: Descent(epochs=0), "optimizer.epochs=0 is not valid"),
        (lambda: Descents(zero_depth_lr=-1.0), "optimizer.zero_depth_lr=-1.0 is not valid"),
        (lambda: Regression(num_samples=2), "data.num_samples=2 is not valid; allowed: a whole number of at least"),
    ],
)
def test_a_wrong_setting_is_named(settings, told):
    with pytest.raises(UserError) as error:
        settings()
    assert told in str(error.value)
