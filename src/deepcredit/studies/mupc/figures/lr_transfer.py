"""Figures of Innocenti, Achour & Buckley (2025), μPC: whether the best learning rates stay put as networks grow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from deepcredit.figures.base import EVERYTHING, Cells, Data, Measured, NotTestable, Role, Where
from deepcredit.figures.cells import pick, values_of
from deepcredit.figures.drawing import new_figure
from deepcredit.figures.numbers import number
from deepcredit.figures.style import PAGE
from deepcredit.studies.mupc.figures.training_curves import scale_text, stopped, symbol

#: up to so many learning rates, each is written at the axis; above, powers of ten
MOST_TICKS = 4

#: what is mapped: its label, its colour map, and whether the least or the greatest value is best
QUANTITIES = {"loss": ("training loss", "viridis_r", "min"), "accuracy": ("test accuracy (%)", "viridis", "max")}


def best_loss(runs: xr.Dataset) -> xr.DataArray:
    """Lowest training loss of a batch, mean over seeds, [weight_lr, activity_lr]; a run counts up to its stop.

    NaN where a seed measured no loss at all.
    """
    lowest = runs.train_loss.where(np.isfinite(runs.train_loss)).min("step")
    return lowest.mean("seed", skipna=False).transpose("weight_lr", "activity_lr")


def best_accuracy(runs: xr.Dataset) -> xr.DataArray:
    """Highest test accuracy in %, mean over seeds, [weight_lr, activity_lr]; NaN where a seed measured none."""
    highest = runs.test_accuracy.max("test_step")
    return highest.mean("seed", skipna=False).transpose("weight_lr", "activity_lr")


MEASURES = {"loss": best_loss, "accuracy": best_accuracy}


# --- maps ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """Maps of one quantity: a row an activation function, and a column for each value of the setting `by`.

    With `across`, one map an activation function, side by side.
    """

    role: Role
    title: str
    quantity: Literal["loss", "accuracy"]
    by: Literal["n_hidden", "width"] = "width"
    where: Where = field(default_factory=dict)
    across: bool = False

    def rows(self, act_fns: Sequence[str]) -> int:
        return 1 if self.across else len(act_fns)


def transfer_maps(data: Data, *, blocks: list[Block], act_fns: list[str]) -> tuple[Figure, pd.DataFrame]:
    """Contour maps over both learning rates, in blocks one below the other."""
    n_rows = [block.rows(act_fns) for block in blocks]
    figure = new_figure(PAGE, 1.3 * sum(n_rows) + 0.3 * len(blocks) + 0.6)
    parts = figure.subfigures(len(blocks), 1, height_ratios=n_rows, squeeze=False).ravel()
    tables = [
        (_across if block.across else _block)(part, data[block.role], block, act_fns)
        for part, block in zip(parts, blocks, strict=True)
    ]
    note = scale_text([cell for cells in data.values() for cell in cells])
    figure.legend(handles=_handles(note, ring=not blocks[0].across), loc="outside lower center", ncols=4)
    return figure, pd.concat(tables, ignore_index=True)


def _block(part: SubFigure, cells: Cells, block: Block, act_fns: Sequence[str]) -> pd.DataFrame:
    by = block.by
    sizes = values_of(cells, by)
    axes = part.subplots(len(act_fns), len(sizes), sharex=True, sharey=True, squeeze=False)
    part.suptitle(block.title, fontsize="medium")
    tables = []
    for row, act_fn in zip(axes, act_fns, strict=True):
        shared = {**block.where, "act_fn": act_fn}
        found = {size: pick(cells, **shared, **{by: size}) for size in values_of(cells, by, **shared)}
        tables.append(_row(part, row, [found.get(size) for size in sizes], block.quantity).assign(act_fn=act_fn))
        row[0].set_ylabel(f"{act_fn}\nweight lr")
    for size, ax in zip(sizes, axes[0], strict=True):
        if ax.axison:
            ax.set_title(symbol(by, size))
    for ax in axes[-1]:
        ax.set_xlabel("activity lr")
    table = pd.concat(tables)
    return table.assign(block=block.title, **{by: [sizes[i] for i in table.column]}).drop(columns="column")


def _across(part: SubFigure, cells: Cells, block: Block, act_fns: Sequence[str]) -> pd.DataFrame:
    axes = part.subplots(1, len(act_fns), sharex=True, sharey=True, squeeze=False)[0]
    part.suptitle(block.title, fontsize="medium")
    maps = [pick(cells, **block.where, act_fn=act_fn) for act_fn in act_fns]
    table = _row(part, axes, maps, block.quantity, ring=False)
    for ax, act_fn in zip(axes, act_fns, strict=True):
        ax.set(title=act_fn, xlabel="activity lr")
    axes[0].set_ylabel("weight lr")
    return table.assign(block=block.title, act_fn=[act_fns[i] for i in table.column]).drop(columns="column")


def _row(
    part: SubFigure, axes: Sequence[Axes], maps: Sequence[xr.Dataset | None], quantity: str, ring: bool = True
) -> pd.DataFrame:
    """One row of maps with one colour scale; the best of the first is ringed in all, unless `ring` is off."""
    values = [None if runs is None else MEASURES[quantity](runs) for runs in maps]
    present = [v for v in values if v is not None]
    scaled = np.concatenate([_scaled(v, quantity).values.ravel() for v in present])
    norm = color_range(scaled)
    first = _best(present[0], quantity) if ring else None
    tables = []
    for i, (ax, runs, value) in enumerate(zip(axes, maps, values, strict=True)):
        if runs is None or value is None:
            ax.set_axis_off()
            continue
        _map(ax, value, quantity, norm)
        _mark(ax, runs, _best(value, quantity), first)
        tables.append(_rows(runs, value, quantity).assign(column=i))
    _color_bar(part, axes, norm, quantity)
    return pd.concat(tables)


def color_range(scaled: np.ndarray) -> Normalize:
    """From the smallest to the greatest value that was measured; of some width where there are not two."""
    known = scaled[np.isfinite(scaled)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    return Normalize(low, high if high > low else low + 1)


def _scaled(value: xr.DataArray, quantity: str) -> xr.DataArray:
    return xr.apply_ufunc(np.log10, value) if quantity == "loss" else value


def best_setting(value: xr.DataArray, quantity: str) -> dict[str, float]:
    """The learning rates at which the quantity is best; raises `NotTestable` where nothing was measured."""
    if not bool(value.notnull().any()):
        raise NotTestable("no run of the sweep measured anything")
    index = value.argmin(...) if QUANTITIES[quantity][2] == "min" else value.argmax(...)
    return {str(name): float(value[name][int(i)]) for name, i in index.items()}


def _best(value: xr.DataArray, quantity: str) -> dict[str, float] | None:
    return best_setting(value, quantity) if bool(value.notnull().any()) else None


def _map(ax: Axes, value: xr.DataArray, quantity: str, norm: Normalize) -> None:
    scaled = _scaled(value, quantity)
    levels = np.linspace(norm.vmin or 0, norm.vmax or 1, 15)
    x, y = value.activity_lr, value.weight_lr
    if bool(np.isfinite(scaled).any()):
        ax.contourf(x, y, scaled, levels=levels, norm=norm, cmap=QUANTITIES[quantity][1], extend="both")
    ax.set(xscale="log", yscale="log")
    for axis, rates in ((ax.xaxis, x.values), (ax.yaxis, y.values)):
        if len(rates) <= MOST_TICKS:
            axis.set_ticks(rates, [number(rate) for rate in rates])
    ax.minorticks_off()


def _mark(ax: Axes, runs: xr.Dataset, best: Mapping[str, float] | None, first: Mapping[str, float] | None) -> None:
    """Every setting as a dot, a cross where a seed stopped, a star at the best, a ring at the best of the first map."""
    halted = stopped(runs).any("seed").transpose("weight_lr", "activity_lr")
    weight, activity = np.meshgrid(runs.weight_lr, runs.activity_lr, indexing="ij")
    for these, marker, size in ((~halted.values, ".", 1.5), (halted.values, "x", 2.5)):
        if these.any():  # an empty line that is not clipped leaves no room for the panels
            dots = ax.plot(activity[these], weight[these], marker, color="0.2", markersize=size, clip_on=False)
            dots[0].set_markeredgewidth(0.6)
    for setting, look in ((best, STAR), (first, RING)):
        if setting:
            ax.plot(setting["activity_lr"], setting["weight_lr"], **look, clip_on=False)


STAR: dict[str, Any] = {"marker": "*", "color": "white", "markersize": 7, "mec": "black", "mew": 0.4}
RING: dict[str, Any] = {"marker": "o", "color": "none", "markersize": 9, "mec": "black", "mew": 0.8}


def _handles(note: str, ring: bool) -> list[Line2D]:
    handles = [
        Line2D([], [], linestyle="none", label="best", **STAR),
        Line2D([], [], linestyle="none", label="best of the first map in the row", **RING),
        Line2D([], [], linestyle="none", marker="x", color="0.2", markersize=3, label="a run stopped"),
        Line2D([], [], linestyle="none", label=note),
    ]
    return handles if ring else [handles[0], *handles[2:]]


def _color_bar(part: SubFigure, axes: Sequence[Axes], norm: Normalize, quantity: str) -> None:
    bar = part.colorbar(ScalarMappable(norm, QUANTITIES[quantity][1]), ax=list(axes), pad=0.02, aspect=12)
    label = QUANTITIES[quantity][0]
    bar.set_label(rf"$\log_{{10}}$ {label}" if quantity == "loss" else label)


def _rows(runs: xr.Dataset, value: xr.DataArray, quantity: str) -> pd.DataFrame:
    halted = stopped(runs).sum("seed").rename("seeds_stopped")
    table = xr.merge([value.rename("value"), halted]).to_dataframe().reset_index()
    return table[["weight_lr", "activity_lr", "value", "seeds_stopped"]].assign(quantity=quantity)


# --- claims -------------------------------------------------------------------------------------------------------


def learning_rates_transfer(
    data: Data,
    *,
    role: Role,
    by: Literal["n_hidden", "width"],
    act_fns: list[str],
    iterations: int,
    published: float,
    where: Where = EVERYTHING,
) -> Measured:
    """How much more loss, in decades, the best setting of the smallest network costs at every other size, at most.

    Against `published`; `by` is the size, and below `iterations` of training learning rates are not compared.
    """
    excess = {}
    for act_fn in act_fns:
        shared = {**where, "act_fn": act_fn}
        sizes = values_of(data[role], by, **shared)
        if len(sizes) < 2:
            raise NotTestable(f"needs networks of two sizes or more for {act_fn}")
        runs = {size: pick(data[role], **shared, **{by: size}) for size in sizes}
        losses = {size: best_loss(_long_enough(run, iterations)) for size, run in runs.items()}
        setting = best_setting(losses[sizes[0]], "loss")
        for size in sizes[1:]:
            excess[act_fn, size] = float(np.log10(losses[size].sel(setting) / losses[size].min()))
    worst = max(excess, key=lambda at: np.nan_to_num(excess[at], nan=np.inf))
    value = {"largest excess in decades": excess[worst], "for": worst[0], f"at {by}": worst[1]}
    return Measured(value, all(e <= published for e in excess.values()))


def _long_enough(runs: xr.Dataset, iterations: int) -> xr.Dataset:
    planned = int(runs.step.max())
    if planned < iterations:
        raise NotTestable(f"needs {iterations} training iterations, this scale has {planned}")
    return runs
