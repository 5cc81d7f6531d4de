"""Loss of a deep linear network with its plateaus, and over initialisation scales γ and learning rates."""

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from deepcredit.figures.base import Cells, Measured
from deepcredit.figures.cells import at, only
from deepcredit.figures.drawing import new_figure
from deepcredit.figures.numbers import number, power_of_ten
from deepcredit.figures.style import PAGE, SEQUENCE
from deepcredit.figures.tables import in_panel
from deepcredit.studies.saxe.figures.modes import LOSS, draw_modes, half_height, member, relative_modes

LAST_LOSS = "loss after the last epoch"


@dataclass(frozen=True)
class LargeInit:
    """Weights that start from a large scale, at a high and at a low learning rate."""

    init_scale: float
    weight_lr: tuple[float, float]


def loss_and_grid(
    network: Cells, grid: Cells, *, weight_lr: float, init_scale: float, floor: float, large_init: LargeInit
) -> tuple[Figure, pd.DataFrame]:
    """The loss with its plateaus; then the loss over initialisation scales and learning rates.

    The second panel has all scales at `weight_lr`, the third all learning rates at `init_scale`; the loss after the
    last epoch is drawn as at least `floor`.
    """
    over = only(grid).isel(seed=0)
    figure = new_figure(PAGE, 4.3)
    axes = figure.subplots(2, 3)
    tables = [
        _default_loss(axes[0, 0], member(network)),
        _family(figure, axes[0, 1], over.sel(weight_lr=weight_lr), "init_scale", r"$\gamma$"),
        _family(figure, axes[0, 2], over.sel(init_scale=init_scale), "weight_lr", r"$\eta$"),
        _grid_map(figure, axes[1, 0], half_loss_epoch(over), "epoch of half the loss"),
        _grid_map(figure, axes[1, 1], over.loss.isel(epoch=-1, drop=True).clip(min=floor), LAST_LOSS, LogNorm()),
        _large_init(axes[1, 2], over, large_init),
    ]
    axes[0, 1].set_title(rf"$\eta = {number(weight_lr)}$")
    axes[0, 2].set_title(rf"$\gamma = {power_of_ten(init_scale)}$")
    return figure, pd.concat(tables)


def plateau_levels(ds: xr.Dataset) -> np.ndarray:
    """Loss with the first k modes learned and the others not begun, for k = 0 … modes − 1."""
    values = ds.target_singular_value.values
    return 1 - np.concatenate([[0], np.cumsum(values**2)[:-1]]) / ds.target.size


def _default_loss(ax: Axes, ds: xr.Dataset) -> pd.DataFrame:
    levels = plateau_levels(ds)
    for level in levels:
        ax.axhline(level, color="0.8", linewidth=0.6, zorder=0)
    ax.plot(ds.epoch, ds.loss, color=LOSS)
    ax.set(title="loss and its plateaus", xlabel="epoch", ylabel="mean squared error", ylim=(0, 1.05))
    before = xr.DataArray(levels, {"mode": ds.mode}, name="level")
    return pd.concat([in_panel("default", ds.loss, "loss"), in_panel("default", before, "plateau before mode")])


def _family(figure: Figure, ax: Axes, ds: xr.Dataset, over: str, symbol: str) -> pd.DataFrame:
    """Loss curves coloured by one coordinate."""
    values = ds[over].values
    norm = LogNorm(values.min(), values.max()) if over == "init_scale" else None
    scale = matplotlib.cm.ScalarMappable(norm, SEQUENCE)
    scale.set_array(values)
    for value in values:
        ax.plot(ds.epoch, ds.loss.sel({over: value}), color=scale.to_rgba(value), linewidth=0.9)
    figure.colorbar(scale, ax=ax, label=symbol, aspect=25)
    ax.set(xlabel="epoch", ylim=(0, 1.05))
    return in_panel(f"over {over}", ds.loss, "loss")


def half_loss_epoch(ds: xr.Dataset) -> xr.DataArray:
    """First epoch at which the loss is at most half of what it was at the start; NaN where it never is."""
    below = ds.loss <= ds.loss.isel(epoch=0) / 2
    return ds.epoch.isel(epoch=below.argmax("epoch")).where(below.any("epoch")).drop_vars("epoch")


def _grid_map(figure: Figure, ax: Axes, values: xr.DataArray, title: str, norm: Any = None) -> pd.DataFrame:
    """Colour map over γ and learning rate, one cell a member; what is NaN stays grey."""
    values = values.transpose("init_scale", "weight_lr")
    ax.set_facecolor("0.85")
    image = ax.pcolormesh(np.ma.masked_invalid(values.values), cmap=SEQUENCE, norm=norm)
    figure.colorbar(image, ax=ax, aspect=25)
    rates, scales = values.weight_lr.values, values.init_scale.values
    columns, rows = _sparse(len(rates), 6), _sparse(len(scales), 6)
    ax.set_xticks(columns + 0.5, [number(rates[i]) for i in columns])
    ax.set_yticks(rows + 0.5, [f"${power_of_ten(scales[i])}$" for i in rows])
    ax.set(title=title, xlabel=r"learning rate $\eta$", ylabel=r"$\gamma$")
    return in_panel(title, values, title)


def _sparse(n: int, most: int) -> np.ndarray:
    """Indices of at most `most` + 1 evenly spaced ones of n."""
    return np.arange(0, n, -(-n // most))


def _large_init(ax: Axes, grid: xr.Dataset, chosen: LargeInit) -> pd.DataFrame:
    """Singular values at a high (solid) and at a low (dashed) learning rate."""
    rates = list(chosen.weight_lr)
    relative = relative_modes(grid.sel(init_scale=chosen.init_scale, weight_lr=rates))
    for lr, style in zip(rates, ("-", "--"), strict=True):
        draw_modes(ax, relative.sel(weight_lr=lr), linewidth=0.9, linestyle=style)
    solid, dashed = map(number, rates)
    ax.set_title(rf"$\gamma = {number(chosen.init_scale)}$; solid $\eta={solid}$, dashed ${dashed}$")
    ax.set(xlabel="epoch", ylabel="singular value (relative)", ylim=(0, 1.05))
    return in_panel("large init", relative, "relative singular value")


# --- claims -------------------------------------------------------------------------------------------------------


def half_height_range(
    grid: Cells, *, init_scale: float, weight_lr: float, published: tuple[float, float], tolerance: float = 0.0
) -> Measured:
    """First epochs past half-height of the first and of the last mode, at one γ and learning rate of the grid."""
    ds = at(only(grid), init_scale=init_scale, weight_lr=weight_lr).isel(seed=0)
    times = np.ceil(half_height(ds.singular_value, ds.target_singular_value.values))
    found = [float(times.min()), float(times.max())]
    return Measured(found, bool(np.abs(np.array(found) - published).max() <= tolerance))


def count_plateaus(loss: np.ndarray) -> int:
    """Plateaus between drops of a loss curve: stretches where it falls less than half as fast as before and after.

    Drops below a thousandth of the fastest do not count as drops.
    """
    drop = -np.diff(loss)
    before, after = np.maximum.accumulate(drop), np.maximum.accumulate(drop[::-1])[::-1]
    flat = (drop < np.minimum(before, after) / 2) & (after > drop.max() / 1000)
    return int(flat[0]) + int((np.diff(flat.astype(int)) == 1).sum())


def plateaus(grid: Cells, *, init_scale: float, weight_lr: float, published: int) -> Measured:
    """Number of plateaus between drops of the loss, at one γ and learning rate of the grid, against `published`."""
    ds = at(only(grid), init_scale=init_scale, weight_lr=weight_lr)
    found = count_plateaus(ds.loss.isel(seed=0).values)
    return Measured(found, found == published)
