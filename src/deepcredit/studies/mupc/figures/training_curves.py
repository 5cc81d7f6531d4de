"""What figures of training runs share: statistics over seeds, and curves on which stopped runs are marked.

A cell holds runs of one network shape along the member dimensions `seed`, `weight_lr`, `activity_lr` and
`activity_decay`. A run that stopped (diverged, or did not learn) has NaN in all records after its stop; what it
measured until then is drawn, with a mark where it stopped, and nothing in the place of what it did not measure.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.data.datasets import sizes_in
from deepcredit.figures.base import Cells, NotTestable
from deepcredit.figures.cells import values_of
from deepcredit.figures.drawing import text_size
from deepcredit.figures.numbers import number
from deepcredit.figures.tables import told_apart

DATASET_NAMES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}

#: quantity → the dimension that counts its records
RECORDS = {"test_accuracy": "test_step", "condition_number": "condition_step", "train_loss": "step"}

#: settings as they are written in legends
SYMBOLS = {"n_hidden": "H", "width": "N", "activity_lr": r"\eta", "weight_lr": r"\gamma"}

ITERATIONS, ACCURACY, CONDITION = "training iteration", "test accuracy (%)", r"condition number $\kappa(H_z)$"

#: reason of a stop → marker and legend entry
STOPS = {
    "no learning": ("X", "stopped: below 15 %"),
    "diverged": ("v", "stopped: diverged"),
}


def batches_per_epoch(runs: xr.Dataset) -> int:
    """Training iterations in an epoch of the runs of a cell."""
    data = json.loads(runs.attrs["settings"])["data"]
    return sizes_in(data).batches(data["batch_size"])


# --- statistics ---------------------------------------------------------------------------------------------------


def over_seeds(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean and population standard deviation over seeds, where all seeds have a value; NaN elsewhere."""
    return values.mean("seed", skipna=False), values.std("seed", ddof=0, skipna=False)


def last_measured(values: xr.DataArray, along: str) -> xr.DataArray:
    """The last value along a dimension that is not NaN; NaN where there is none."""
    return values.isel({along: values.notnull().cumsum(along).argmax(along)}).drop_vars(along)


def stopped(runs: xr.Dataset) -> xr.DataArray:
    """Which runs stopped before their planned end."""
    return runs.stop_reason.astype(str) != ""


def final_accuracy(runs: xr.Dataset) -> xr.DataArray:
    """Test accuracy in % at the end, mean over seeds; NaN where a seed stopped before its end."""
    return last_measured(runs.test_accuracy, "test_step").where(~stopped(runs)).mean("seed", skipna=False)


def best_rate(runs: xr.Dataset, name: str = "activity_lr") -> float:
    """The learning rate with the highest mean final accuracy; among settings that all stopped, by what they measured.

    Raises `NotTestable` where no run measured an accuracy.
    """
    score = final_accuracy(runs)
    if not bool(score.notnull().any()):
        score = last_measured(runs.test_accuracy, "test_step").mean("seed")
    if not bool(score.notnull().any()):
        raise NotTestable("no run of the sweep measured a test accuracy")
    return float(score[name][int(score.argmax(name))] if name in score.dims else score[name])


# --- curves -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """How a curve is drawn, and what the legend calls it."""

    color: Any
    label: str = ""
    linestyle: Any = "-"
    marker: str = "o"
    zorder: float = 2.0


def symbol(name: str, value: float) -> str:
    """Legend text of one value of a setting, e.g. `$H=8$`."""
    return f"${SYMBOLS[name]}={number(value)}$"


def draw_runs(
    ax: Axes, runs: xr.Dataset, look: Look, quantity: str = "test_accuracy", per: float = 1.0
) -> pd.DataFrame:
    """Mean over seeds with a band of one standard deviation, the single seeds where one stopped, and marks of stops.

    `runs` has the member dimension `seed` alone. The horizontal axis counts iterations divided by `per`. Returns what
    was drawn: the seeds, `mean`, `standard deviation`, and `stopped` with the value last measured.
    """
    along = RECORDS[quantity]
    values = runs[quantity].transpose("seed", along)
    mean, deviation = over_seeds(values)
    x = values[along].values / per
    ax.set_xlim(0, max(ax.get_xlim()[1] if ax.lines else 0, 1.03 * int(runs.step.max()) / per))
    ax.plot(x, mean, color=look.color, linestyle=look.linestyle, marker=look.marker, markersize=2.5, zorder=look.zorder)
    if values.sizes["seed"] > 1:
        ax.fill_between(x, mean - deviation, mean + deviation, color=look.color, alpha=0.25, linewidth=0)
    halted = stopped(runs).values
    if halted.any() and not halted.all():
        for value in values.values:
            ax.plot(x, value, color=look.color, linestyle=look.linestyle, linewidth=0.5, alpha=0.6)
    marks = [_mark_stop(ax, runs.isel(seed=[i]), look, quantity, per) for i in np.flatnonzero(halted)]
    return pd.concat([_statistics(values, mean, deviation, along), *marks], ignore_index=True)


def _mark_stop(ax: Axes, run: xr.Dataset, look: Look, quantity: str, per: float) -> pd.DataFrame:
    """Mark the last value of one run that stopped; without a value, the step of the stop on the axis itself."""
    along = RECORDS[quantity]
    reason, step = str(run.stop_reason.item()), int(run.stop_step.item())
    values = run[quantity].isel(seed=0).dropna(along)
    marker, _ = STOPS[reason]
    point = {"marker": marker, "markersize": 5, "color": look.color, "markeredgecolor": "white", "markeredgewidth": 0.4}
    if values.size:
        at, value = float(values[along][-1]), float(values[-1])
        ax.plot([at / per], [value], linestyle="none", zorder=4, clip_on=False, **point)
    else:
        value = np.nan
        on_axis = ax.get_xaxis_transform()
        ax.plot([step / per], [0.03], linestyle="none", zorder=4, clip_on=False, transform=on_axis, **point)
    row = {"seed": run.seed.item(), "iteration": step, "value": value, "statistic": f"stopped: {reason}"}
    return pd.DataFrame([row])


def _statistics(values: xr.DataArray, mean: xr.DataArray, deviation: xr.DataArray, along: str) -> pd.DataFrame:
    parts = {"seed": values, "mean": mean, "standard deviation": deviation}
    table = told_apart(parts, "statistic").dropna(subset="value").rename(columns={along: "iteration"})
    return table.reindex(columns=["statistic", "seed", "iteration", "value"])


def stop_handles(table: pd.DataFrame) -> list[Line2D]:
    """Legend entries of the marks that a figure's table says were drawn."""
    kinds = set(table.statistic)
    return [
        Line2D([], [], linestyle="none", marker=marker, color="0.4", markersize=4.5, label=label)
        for reason, (marker, label) in STOPS.items()
        if f"stopped: {reason}" in kinds
    ]


def line_handle(look: Look) -> Line2D:
    """Legend entry of a curve."""
    return Line2D(
        [], [], color=look.color, linestyle=look.linestyle, marker=look.marker, markersize=2.5, label=look.label
    )


def scale_text(cells: Cells) -> str:
    """What a scale made of the published grid: widths, seeds, iterations, and T where it is not the depth."""
    widths, steps = values_of(cells, "width"), sorted({int(cell.sizes["step"]) for cell in cells})
    seeds = max(cell.sizes["seed"] for cell in cells)
    fixed = [t for t in {t for cell in cells for t in values_of([cell], "max_t")} if isinstance(t, int)]
    parts = [f"N = {_range(widths)}", f"{seeds} seed" + "s" * (seeds > 1), f"{_range(steps)} iterations"]
    return "   ".join([*parts, *([f"T = {_range(sorted(fixed))}"] if fixed else [])])


def scale_note(figure: Figure, cells: Cells) -> None:
    """Write `scale_text` below a figure."""
    figure.supxlabel(scale_text(cells), fontsize=text_size(0.75), color="0.4", x=0.99, ha="right")


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]}–{values[-1]}"


def condition_axis(ax: Axes) -> None:
    """A logarithmic vertical axis of whole decades around what is drawn here and on panels that share the axis."""
    ax.set_yscale("log")
    panels = ax.get_shared_y_axes().get_siblings(ax)
    lines = [
        line for a in panels for line in a.lines if line.get_transform().contains_branch_seperately(a.transData)[1]
    ]
    drawn = np.concatenate([np.array([]), *(np.asarray(line.get_ydata(), float) for line in lines)])
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    if drawn.size:
        ax.set_ylim(10 ** np.floor(np.log10(drawn.min())), 10 ** np.ceil(np.log10(drawn.max()) + 1e-9))


def accuracy_axis(ax: Axes, top: float = 100) -> None:
    """A vertical axis for test accuracy in %."""
    ax.set(ylim=(0, top), yticks=[0, 25, 50, 75, 100])
