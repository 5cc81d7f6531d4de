"""Claims on deep linear networks, on arrays whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from deepcredit.figures.base import NotTestable
from deepcredit.studies.saxe.figures import illusions, loss, modes, regression

EPOCH = np.arange(200)


def sigmoid(middle: float, height: float) -> np.ndarray:
    return height / (1 + np.exp(-(EPOCH - middle) / 3))


def network(middles: list[float], heights: list[float], closed: list[float] | None = None) -> xr.Dataset:
    """Modes that are sigmoids of time, and the closed form's."""
    dims, single = ("seed", "init_scale", "weight_lr", "epoch", "mode"), (1, 1, 1, len(EPOCH), len(heights))
    curves = {
        "singular_value": np.stack([sigmoid(*one) for one in zip(middles, heights, strict=True)], axis=-1),
        "mode_curve": np.stack([sigmoid(*one) for one in zip(closed or middles, heights, strict=True)], axis=-1),
    }
    arrays: dict = {name: (dims, values.reshape(single)) for name, values in curves.items()}
    arrays["target_singular_value"] = (("seed", "mode"), [heights])
    coords = {"epoch": EPOCH, "mode": np.arange(1, len(heights) + 1), "init_scale": [1.0], "weight_lr": [20.0]}
    return xr.Dataset(arrays, coords)


def predicting(prediction: np.ndarray) -> list[xr.Dataset]:
    return [xr.Dataset({"prediction": (("seed", "init_scale", "weight_lr", "epoch"), [[[prediction]]])})]


def test_half_height_is_interpolated_and_absent_where_it_is_never_reached():
    curves = xr.DataArray(
        np.stack([np.linspace(0, 4, 5), np.zeros(5)], axis=-1),
        dims=("epoch", "mode"),
        coords={"epoch": np.arange(5), "mode": [1, 2]},
    )
    np.testing.assert_allclose(modes.half_height(curves, np.array([3.0, 3.0])), [1.5, np.nan])


@pytest.mark.parametrize(("middles", "holds"), [([50, 80, 90], True), ([50, 90, 80], True), ([85, 80, 90], False)])
def test_order_of_modes_is_between_groups_only(middles, holds):
    found = modes.modes_in_order([network(middles, [3, 2, 1])], groups=[[1], [2, 3]])
    np.testing.assert_allclose(found.value, middles, atol=0.1)
    assert found.holds is holds


@pytest.mark.parametrize(("closed", "holds"), [(101.0, True), (110.0, False)])
def test_times_are_compared_in_updates(closed, holds):
    """Singular values belong to the end of an epoch: epoch 0 is one update."""
    found = modes.times_of_closed_form([network([100.0], [2.0], [closed])], tolerance=0.03)
    assert found.value == pytest.approx(1 - 101 / (closed + 1), rel=1e-3)
    assert found.holds is holds


def test_range_of_half_heights_is_in_whole_epochs():
    grid = [network([49.5, 90.2], [2, 1])]
    found = loss.half_height_range(grid, init_scale=1.0, weight_lr=20.0, published=(50, 91), tolerance=0)
    assert found.value == [50, 91]
    assert found.holds
    with pytest.raises(NotTestable, match=r"weight_lr = 100"):
        loss.half_height_range(grid, init_scale=1.0, weight_lr=100.0, published=(50, 91))


@pytest.mark.parametrize(("middles", "expected"), [([50], 0), ([50, 100], 1), ([50, 90, 130], 2), ([50, 54], 0)])
def test_plateaus_are_counted_between_drops(middles, expected):
    falling = sum(1 - sigmoid(middle, 1.0) for middle in middles)
    assert loss.count_plateaus(falling) == expected


@pytest.mark.parametrize(("peak", "end", "holds"), [(0.4, -0.9, True), (0.2, -0.9, False), (0.4, -0.7, False)])
def test_an_illusion_rises_and_falls(peak, end, holds):
    data = predicting(np.array([0.0, peak, end]))
    found = illusions.rises_then_falls(data, published=illusions.Bounds(above=0.3, below=-0.8))
    assert found.value == {"peak": peak, "end": end}
    assert found.holds is holds


def test_peak_and_end_of_a_prediction():
    data = predicting(np.array([0.0, 0.2, 0.76, -0.98]))
    assert illusions.peak_height(data, published=0.75, tolerance=0.02).holds
    assert not illusions.peak_height(data, published=0.75, tolerance=0.005).holds
    assert illusions.peak_epoch(data, published=3, tolerance=1).value == 2
    assert not illusions.final_prediction(data, published=-1, tolerance=0.01).holds


def test_a_loss_that_falls_ever_slower_has_no_plateau():
    def data(falling: np.ndarray) -> list[xr.Dataset]:
        return [xr.Dataset({"loss": (("seed", "network", "epoch"), [[falling]])}, {"network": ["deep"]})]

    assert regression.no_plateau(data(0.9**EPOCH), network="deep", tolerance=1e-6).holds
    stepped = regression.no_plateau(data(np.array([3.0, 2.0, 1.9, 1.0])), network="deep", tolerance=1e-6)
    assert stepped.value == pytest.approx(9.0)
    assert not stepped.holds


def test_weights_agree_to_their_largest_difference():
    weight = np.zeros((1, 3, 4, 2))
    weight[0, 1, 2, 1], weight[0, 2, 2, 1] = 0.004, -0.004
    data = [xr.Dataset({"weight": (("seed", "solution", "feature", "item"), weight)})]
    assert regression.weights_agree(data, tolerance=0.01).value == pytest.approx(0.008)
    assert regression.weights_agree(data, tolerance=0.01).holds
    assert not regression.weights_agree(data, tolerance=0.007).holds


@pytest.mark.parametrize(("error", "holds"), [(0.4, True), (0.6, False)])
def test_a_matrix_is_recovered_if_rounding_gives_it(error, holds):
    dims = ("seed", "row", "column")
    true = np.arange(9.0).reshape(1, 3, 3)
    found = true + error * np.eye(3)
    ds = xr.Dataset({"true_matrix": (dims, true), "recovered_matrix": (dims, found)})
    measured = regression.matrix_recovered([ds])
    assert measured.value == pytest.approx(error)
    assert measured.holds is holds


def test_epoch_of_half_the_loss_is_absent_where_it_never_is():
    falling = xr.DataArray([[8.0, 5.0, 4.0, 1.0], [8.0, 7.0, 6.0, 5.0]], dims=("weight_lr", "epoch"))
    ds = xr.Dataset({"loss": falling}, {"epoch": np.arange(4)})
    np.testing.assert_array_equal(loss.half_loss_epoch(ds), [2, np.nan])
