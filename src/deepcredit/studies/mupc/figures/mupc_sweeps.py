"""Figures of Innocenti, Achour & Buckley (2025), μPC: sweeps of predictive coding in the standard parameterisation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.figures.base import Cells, Where
from deepcredit.figures.cells import having, pick, values_of
from deepcredit.figures.drawing import family, new_figure, text_size
from deepcredit.figures.numbers import number
from deepcredit.figures.style import PAGE
from deepcredit.rules.rule import RULES
from deepcredit.studies.mupc.figures.training_curves import (
    ACCURACY,
    DATASET_NAMES,
    Look,
    accuracy_axis,
    best_rate,
    condition_axis,
    draw_runs,
    line_handle,
    over_seeds,
    scale_note,
    stop_handles,
    stopped,
    symbol,
)

Colors = Mapping[Any, Any]

#: the source's choices of the activity learning rate: data set → activation function → depth → rate
Published = Mapping[str, Mapping[str, Mapping[int, float]]]

#: whose choice is drawn as the best: the rate with the highest mean final accuracy, or the source's
Best = Literal["data", "published"]

# --- sweeps of the activity learning rate -------------------------------------------------------------------------


@dataclass(frozen=True)
class SweepRow:
    """One row of a sweep's figure: a data set and an activation function, and its runs by depth."""

    dataset: str
    act_fn: str
    runs: Mapping[int, xr.Dataset]
    rates: Mapping[int, float]  #: depth → activity learning rate that is drawn as the best
    published: Mapping[int, float]  #: depth → the source's choice

    @property
    def title(self) -> str:
        return f"{DATASET_NAMES[self.dataset]}\n{self.act_fn}"


def rate_sweep(sweep: Cells, *, best: Best, published: Published) -> tuple[Figure, pd.DataFrame]:
    """One row a data set and activation function: accuracy per activity learning rate at each depth; then, at the best
    rates, accuracy and condition number for all depths.
    """
    rows = sweep_rows(sweep, best, published)
    depths = sorted({depth for row in rows for depth in row.runs})
    rates = sorted({rate for row in rows for rate in values_of(row.runs.values(), "activity_lr")})
    figure = new_figure(PAGE, 1.12 * len(rows) + 1.0)
    axes = figure.subplots(len(rows), len(depths) + 2, sharex="col", squeeze=False)
    colors = family(rates), family(depths)
    tables = [_sweep_row(row_axes, row, depths, *colors) for row_axes, row in zip(axes, rows, strict=True)]
    table = pd.concat(tables, ignore_index=True)
    _sweep_labels(axes, rows, depths)
    _sweep_legend(figure, *colors, stop_handles(table))
    scale_note(figure, sweep)
    return figure, table


def sweep_rows(cells: Cells, best: Best, published: Published) -> list[SweepRow]:
    """The rows that the cells fill, in the order of the published rates."""
    rates = {(dataset, act_fn): of for dataset, by_act_fn in published.items() for act_fn, of in by_act_fn.items()}
    return [_row(cells, *key, best, of) for key, of in rates.items() if having(cells, dataset=key[0], act_fn=key[1])]


def _row(cells: Cells, dataset: str, act_fn: str, best: Best, published: Mapping[int, float]) -> SweepRow:
    depths = values_of(cells, "n_hidden", dataset=dataset, act_fn=act_fn)
    runs = {depth: pick(cells, dataset=dataset, act_fn=act_fn, n_hidden=depth) for depth in depths}
    chosen = {depth: rate for depth, rate in published.items() if depth in runs}
    rates = {depth: best_rate(run) for depth, run in runs.items()} if best == "data" else chosen
    return SweepRow(dataset, act_fn, runs, rates, chosen)


def _sweep_row(
    axes: Sequence[Axes], row: SweepRow, depths: Sequence[int], rate_colors: Colors, depth_colors: Colors
) -> pd.DataFrame:
    tables = []
    for ax, depth in zip(axes, depths, strict=False):
        if depth not in row.runs:
            ax.set_axis_off()
            continue
        for rate in values_of([row.runs[depth]], "activity_lr"):
            drawn = draw_runs(ax, pick([row.runs[depth]], activity_lr=rate), Look(rate_colors[rate]))
            tables.append(drawn.assign(panel="sweep", n_hidden=depth, activity_lr=rate))
        accuracy_axis(ax)
    for ax, quantity in zip(axes[-2:], ("test_accuracy", "condition_number"), strict=True):
        for depth, rate in row.rates.items():
            drawn = draw_runs(ax, pick([row.runs[depth]], activity_lr=rate), Look(depth_colors[depth]), quantity)
            chosen_rate = {"activity_lr": rate, "published_activity_lr": row.published.get(depth, np.nan)}
            tables.append(drawn.assign(panel=f"best {quantity}", n_hidden=depth, **chosen_rate))
    accuracy_axis(axes[-2])
    _name_rates(axes[-2], row)
    condition_axis(axes[-1])
    return pd.concat(tables).assign(dataset=row.dataset, act_fn=row.act_fn)


def _name_rates(ax: Axes, row: SweepRow) -> None:
    """The rates drawn as best, and the source's, in the order of the depths."""
    published = [row.published.get(depth, np.nan) for depth in row.rates]
    # five of them have to fit above a narrow panel, and nothing beside them
    best, source = (
        " ".join(number(rate).removeprefix("0") for rate in rates) for rates in (row.rates.values(), published)
    )
    ax.set_title(f"$\\eta^*$ {best}\nsource:\n{source}", fontsize=text_size(0.625), loc="left", pad=2)


def _sweep_labels(axes: np.ndarray, rows: Sequence[SweepRow], depths: Sequence[int]) -> None:
    for depth, ax in zip(depths, axes[0], strict=False):
        ax.set_title(f"$H={depth}$")
    axes[0, -1].set_title(r"$\kappa(H_z)$ at $\eta^*$")
    for row_axes, row in zip(axes, rows, strict=True):
        row_axes[0].set_ylabel(row.title)
        for ax in row_axes[1:-1]:
            ax.tick_params(labelleft=False)
    for column in axes.T:
        lowest = [ax for ax in column if ax.axison][-1]
        lowest.set_xlabel("iteration")
        lowest.tick_params(labelbottom=True)
    axes[0, 0].figure.supylabel(ACCURACY, fontsize="medium")


def _sweep_legend(figure: Figure, rate_colors: Colors, depth_colors: Colors, stops: list[Line2D]) -> None:
    rates = [line_handle(Look(color, symbol("activity_lr", rate))) for rate, color in rate_colors.items()]
    depths = [line_handle(Look(color, symbol("n_hidden", depth))) for depth, color in depth_colors.items()]
    figure.legend(handles=[*rates, *stops], loc="outside upper center", ncols=5)
    title = "accuracy and condition number at the best rates"
    # the line that says what was run is at the right
    figure.legend(handles=depths, loc="outside lower left", ncols=5, title=title)


# --- activity decay -----------------------------------------------------------------------------------------------


def activity_decay(decay: Cells, none: Cells, *, where: Where) -> tuple[Figure, pd.DataFrame]:
    """Best test accuracy against activity decay, mean and standard deviation over seeds, one panel a learning rate.

    `decay` has the runs with decay, `none` those without.
    """
    rates = values_of(none, "activity_lr", **where)
    figure = new_figure(PAGE, 2.1)
    axes = figure.subplots(1, len(rates), sharey=True, squeeze=False)[0]
    tables = []
    for ax, rate in zip(axes, rates, strict=True):
        runs = [pick(cells, **where, activity_lr=rate) for cells in (decay, none)]
        panel = xr.concat([best_accuracy(r) for r in runs], "activity_decay", data_vars="all")
        tables.append(_decay_panel(ax, panel).assign(activity_lr=rate))
        ax.set(title=symbol("activity_lr", rate), xlabel=r"activity decay $\alpha$")
        accuracy_axis(ax)
    table = pd.concat(tables, ignore_index=True)
    axes[0].set_ylabel("best " + ACCURACY)
    if table.stopped.any():
        halted = Line2D([], [], label="a seed stopped before its end", **HALTED)
        figure.legend(handles=[halted], loc="outside upper center")
    scale_note(figure, decay)
    return figure, table


HALTED: dict[str, Any] = {"marker": "X", "color": "0.4", "linestyle": "none", "markersize": 6}


def best_accuracy(runs: xr.Dataset) -> xr.Dataset:
    """Highest test accuracy in % that each run measured, and whether it stopped; without decay, the decay is 0."""
    best = xr.Dataset({"best_test_accuracy": runs.test_accuracy.max("test_step"), "stopped": stopped(runs)})
    best = best.drop_vars([name for name in best.coords if name not in ("seed", "activity_decay")])
    if "activity_decay" in best.dims:
        return best
    return best.drop_vars("activity_decay", errors="ignore").expand_dims(activity_decay=[_decay(best)])


def _decay(best: xr.Dataset) -> float:
    """The one decay of runs that have no dimension of it."""
    return float(best.activity_decay) if "activity_decay" in best.coords else 0.0


def _decay_panel(ax: Axes, panel: xr.Dataset) -> pd.DataFrame:
    panel = panel.sortby("activity_decay", ascending=False)
    mean, deviation = over_seeds(panel.best_test_accuracy)
    at = np.arange(panel.sizes["activity_decay"])
    ax.errorbar(at, mean, deviation, color=RULES["pc"].color, marker="o", capsize=2, elinewidth=1)
    halted = panel.stopped.any("seed").values & mean.notnull().values
    if halted.any():
        ax.plot(at[halted], mean.values[halted], zorder=4, **HALTED)
    ax.set_xticks(at, [number(value) for value in panel.activity_decay.values])
    return panel.to_dataframe().reset_index()[["activity_decay", "seed", "best_test_accuracy", "stopped"]]
