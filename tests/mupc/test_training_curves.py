"""Statistics over seeds and how stopped runs are drawn, on cells made up so that the answers are known."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from deepcredit.figures.base import NotTestable
from deepcredit.figures.cells import pick
from deepcredit.studies.mupc.figures import training_curves as curves
from tests.mupc.cells import cell

SEEDS = {"seed": [0, 1]}


def test_statistics_end_where_the_first_seed_does() -> None:
    runs = cell([[[[[50.0, 60.0]]]], [[[[70.0, 90.0]]]]], members=SEEDS, stops={(1, 0, 0, 0): ("diverged", 350)})
    mean, deviation = curves.over_seeds(pick([runs]).test_accuracy)
    assert mean.values == pytest.approx([60, np.nan], nan_ok=True)
    assert deviation.values == pytest.approx([10, np.nan], nan_ok=True)  # population: ((10² + 10²)/2)^½


def test_last_measured_value_skips_what_a_stop_left_out() -> None:
    values = xr.DataArray([[1, 2, np.nan], [np.nan] * 3, [1, 2, 3]], dims=("run", "t"), coords={"t": [1, 2, 3]})
    assert curves.last_measured(values, "t").values == pytest.approx([2, np.nan, 3], nan_ok=True)


def rates(*finals: float) -> np.ndarray:
    """Accuracies [seed, weight_lr, activity_lr, activity_decay, test] that end at `finals`, by activity rate."""
    return np.array(finals)[None, None, :, None, None] * np.array([0.5, 1.0])


def test_best_rate_has_the_highest_final_accuracy_among_runs_that_reached_the_end() -> None:
    members = {"activity_lr": [0.5, 0.1, 0.05]}
    assert curves.best_rate(pick([cell(rates(80, 90, 70), members=members)])) == 0.1
    halted = {(0, 0, 1, 0): ("no learning", 300)}
    assert curves.best_rate(pick([cell(rates(80, 90, 70), members=members, stops=halted)])) == 0.5
    everything = {(0, 0, i, 0): ("no learning", 300) for i in range(3)}
    assert curves.best_rate(pick([cell(rates(8, 9, 12), members=members, stops=everything)])) == 0.05


def test_best_rate_needs_an_accuracy() -> None:
    silent = {(0, 0, 0, 0): ("diverged", 5)}
    with pytest.raises(NotTestable, match="no run"):
        curves.best_rate(pick([cell([50.0], stops=silent)]))


def drawn(runs: xr.Dataset) -> tuple[Figure, pd.DataFrame]:
    figure = Figure()
    return figure, curves.draw_runs(figure.subplots(), pick([runs]), curves.Look("C0"))


def test_a_stop_is_marked_at_the_accuracy_measured_last() -> None:
    figure, table = drawn(cell([9.0, 50.0], stops={(0, 0, 0, 0): ("no learning", 300)}))
    (mark,) = [line for line in figure.axes[0].lines if line.get_marker() == curves.STOPS["no learning"][0]]
    assert mark.get_xydata().tolist() == [[300, 9]]
    stop = table[table.statistic == "stopped: no learning"]
    assert (stop.iteration.item(), stop.value.item()) == (300, 9)
    assert table[table.statistic == "mean"].iteration.tolist() == [300]
    assert [h.get_label() for h in curves.stop_handles(table)] == [curves.STOPS["no learning"][1]]


def test_a_run_without_an_accuracy_gets_no_invented_one() -> None:
    figure, table = drawn(cell([50.0, 60.0], stops={(0, 0, 0, 0): ("diverged", 7)}))
    assert table.value.isna().all()
    (mark,) = [line for line in figure.axes[0].lines if line.get_marker() == curves.STOPS["diverged"][0]]
    assert mark.get_xdata().tolist() == [7]
    assert mark.get_transform() == figure.axes[0].get_xaxis_transform()  # on the axis, not at an accuracy


def test_seeds_are_shown_where_only_some_stopped() -> None:
    members, stops = {"seed": [0, 1, 2]}, {(1, 0, 0, 0): ("diverged", 350)}
    figure, _ = drawn(cell([50.0, 60.0], members=members, stops=stops))
    thin = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.5]
    assert len(thin) == 3


def test_condition_numbers_are_shown_on_whole_decades_of_what_was_measured() -> None:
    other, ax = Figure().subplots(1, 2, sharey=True)
    other.plot([0, 1], [30, 40])
    ax.plot([0, 1, 2], [300, np.nan, 700])
    ax.plot([1], [0.03], transform=ax.get_xaxis_transform())  # a mark on the axis is no value
    curves.condition_axis(ax)
    assert ax.get_ylim() == pytest.approx((10, 1000))
