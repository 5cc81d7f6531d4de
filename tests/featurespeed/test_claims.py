"""Claims and tables of the feature speed figures, on arrays whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from deepcredit.figures.base import Measured, NotTestable
from deepcredit.studies.featurespeed.figures import featurespeed

SCALES = ["1/L", "1/sqrtL"]


def depth_data(depths: list[int], angles: dict[str, float]) -> list[xr.Dataset]:
    angle = xr.DataArray(
        [[[[angles[s] for s in SCALES]] for _ in [0]] for _ in featurespeed.STEPS],
        dims=("updated", "seed", "num_layers", "branch_scale"),
        coords={"updated": list(featurespeed.STEPS), "seed": [0], "num_layers": [0], "branch_scale": SCALES},
    )
    return [xr.Dataset({"angle": angle.sel(num_layers=[0] * len(depths)).assign_coords(num_layers=depths)})]


def collapse_data(shift: float, seeds: int = 2) -> list[xr.Dataset]:
    """Two depths whose angles are the same function of √L·β, one of them moved up by `shift`."""
    found = []
    for depth, moved in ((9, 0.0), (25, shift)):
        beta = np.geomspace(0.01, 1, 30)
        last = np.arctan(beta * depth**0.5) + moved
        values = np.broadcast_to(last[:, None], (2, seeds, 30, depth - 1))
        dims = ("updated", "seed", "branch_scale", "layer")
        coords = {"updated": list(featurespeed.STEPS), "branch_scale": [str(b) for b in beta]}
        found.append(xr.Dataset({"angle": (dims, values), "beta": ("branch_scale", beta)}, coords))
    return found


def collapse(data: list[xr.Dataset], published: float, seeds: int = 2) -> Measured:
    return featurespeed.curves_collapse(
        data, between=(0.1, 2), num_layers=[9, 25], seeds=seeds, dropped={}, published=published
    )


def test_curves_of_one_function_collapse_and_a_shift_is_measured():
    held = collapse(collapse_data(0.0), 0.02)
    assert held.holds
    shifted = collapse(collapse_data(0.3), 0.02)
    assert shifted.value == pytest.approx(0.3, abs=0.02)
    assert not shifted.holds


def test_collapse_needs_its_depths_and_seeds():
    only = collapse_data(0.0)[:1]
    with pytest.raises(NotTestable, match="needs depths 25"):
        collapse(only, 0.1)
    with pytest.raises(NotTestable, match="mean over 5 seeds, not 2"):
        collapse(collapse_data(0.0), 0.1, seeds=5)


def test_branch_scales_are_dropped_from_the_small_end():
    curves = featurespeed.collapsed(collapse_data(0.0), "branch_out", {9: 4})
    assert curves[9].sizes["x"] == 26
    assert float(curves[9].x[0]) == pytest.approx(3 * np.geomspace(0.01, 1, 30)[4])
    assert curves[25].sizes["x"] == 30


@pytest.mark.parametrize(("mean", "holds"), [(0.7, True), (0.59, False), (0.81, False)])
def test_mean_output_angle_lies_within_both_bounds(mean, holds):
    data = depth_data([50, 100, 150], {"1/L": 0.0, "1/sqrtL": mean})
    found = featurespeed.mean_output_angle(data, branch_scale="1/sqrtL", from_depth=100, published=(0.6, 0.8))
    assert found.value == pytest.approx(mean)
    assert found.holds is holds


def test_mean_output_angle_needs_deep_networks():
    data = depth_data([10, 99], {"1/L": 0.0, "1/sqrtL": 0.0})
    with pytest.raises(NotTestable, match="depths of 100"):
        featurespeed.mean_output_angle(data, branch_scale="1/L", from_depth=100, published=(0, 1))


@pytest.mark.parametrize(("factor", "holds"), [(1.005, True), (0.98, False)])
def test_formula_claim_measures_the_relative_deviation_above_the_first_layer(factor, holds):
    formula = np.array([0.0, 1.0, 2.0])
    speed = formula * [1, 1, factor]
    dims, coords = ("updated", "branch_scale", "layer"), {"updated": ["branch_out"], "branch_scale": ["1/sqrtL"]}
    ds = xr.Dataset({"aligned_speed": (dims, [[speed]]), "formula": (dims, [[formula]])}, coords)
    found = featurespeed.formula_holds([ds], branch_scale="1/sqrtL", tolerance=0.01)
    assert found.value == pytest.approx(abs(factor - 1))
    assert found.holds is holds


def test_branch_labels():
    assert featurespeed.branch_label("1/L") == r"$\beta=1/L$"
    assert featurespeed.branch_label("0.5/sqrtL") == r"$\beta=0.5/\sqrt{L}$"
    assert featurespeed.branch_label("0.999") == r"$\beta=0.999$"
