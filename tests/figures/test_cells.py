"""What a figure shows is found among cells by settings and members, on cells made up so that the answers are known."""

import numpy as np
import pytest
import xarray as xr

from deepcredit.figures.base import NotTestable
from deepcredit.figures.cells import at, having, only, pick, values_of
from tests.mupc.cells import cell


def test_runs_are_found_by_settings_of_the_cell_and_by_members() -> None:
    shallow = cell([50.0], members={"activity_lr": [0.5, 0.1]}, n_hidden=8)
    deep = cell([[[[60.0]], [[70.0]]]], members={"activity_lr": [0.5, 0.1]}, n_hidden=32)
    deep.test_accuracy.loc[{"activity_lr": 0.1}] = 70.0
    found = pick([shallow, deep], n_hidden=32, activity_lr=0.1)
    assert found.test_accuracy.values.tolist() == [[70.0]]
    assert found.test_accuracy.dims == ("seed", "test_step")
    assert values_of([deep, shallow], "n_hidden") == [8, 32]
    assert values_of([deep, shallow], "activity_lr", n_hidden=8) == [0.1, 0.5]


def test_rates_match_up_to_rounding() -> None:
    runs = cell([50.0], members={"activity_lr": [float(np.float32(0.1))]})
    assert pick([runs], activity_lr=0.1).sizes["seed"] == 1


def test_activation_functions_may_be_members_of_a_cell() -> None:
    both = xr.concat([cell([1.0]), cell([2.0])], dim=xr.Variable("act_fn", ["linear", "relu"]))
    assert pick([both], act_fn="relu").test_accuracy.item() == 2.0
    assert values_of([both], "act_fn") == ["linear", "relu"]


def test_absent_runs_are_named() -> None:
    with pytest.raises(NotTestable, match="n_hidden = 128, activity_lr = 7"):
        pick([cell([50.0], n_hidden=128)], n_hidden=128, activity_lr=7)


def test_settings_that_no_coordinate_tells_are_read_from_the_cells_own() -> None:
    cells = [cell([50.0], dataset="mnist", width=64), cell([50.0], dataset="fashion_mnist", width=512)]
    assert having(cells, dataset="fashion_mnist") == cells[1:]
    assert only(cells, width=64) is cells[0]
    assert values_of(cells, "dataset", width=512) == ["fashion_mnist"]
    assert having(cells, no_such_setting=1) == []


def test_the_only_cell_is_one_or_is_named() -> None:
    with pytest.raises(NotTestable, match="width = 7"):
        only([cell([50.0])], width=7)
    with pytest.raises(ValueError, match="unpack"):
        only([cell([50.0]), cell([60.0])])


def test_values_of_coordinates_are_chosen_or_named() -> None:
    ds = xr.Dataset({"value": ("step", [1.0, 2.0, 3.0])}, {"step": [0, 1, 2]})
    assert at(ds, step=1).value.item() == 2
    assert at(ds, step=[0, 2]).value.values.tolist() == [1, 3]
    with pytest.raises(NotTestable, match="needs step = 7, not on"):
        at(ds, step=[1, 7])
