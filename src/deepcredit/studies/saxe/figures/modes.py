"""Modes of a deep linear network: singular values learned one after the other, and what representations follow.

Epochs count the updates made before: loss, representations and predictions belong to the start of an epoch, singular
values to its end.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepcredit.figures.base import Cells, Measured
from deepcredit.figures.cells import only
from deepcredit.figures.drawing import family, new_figure
from deepcredit.figures.style import COLUMN, PAGE
from deepcredit.figures.tables import in_panel

LOSS = "#D55E00"

#: how the closed form is drawn
CLOSED_FORM: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": (0, (3, 2))}


def member(cells: Cells) -> xr.Dataset:
    """The only member of an experiment of one cell: first seed, first γ, first learning rate."""
    return only(cells).isel(seed=0, init_scale=0, weight_lr=0)


def relative_modes(ds: xr.Dataset) -> xr.DataArray:
    """Singular values of W_2 W_1 divided by their largest over modes and epochs."""
    return ds.singular_value / ds.singular_value.max()


def draw_modes(ax: Axes, modes: xr.DataArray, **style: Any) -> None:
    """One curve a mode, the largest singular value darkest."""
    for mode, color in family(modes.mode.values.tolist()).items():
        ax.plot(modes.epoch, modes.sel(mode=mode), **{"color": color, **style})


def modes_axis(ax: Axes, ds: xr.Dataset) -> None:
    """Relative singular values on an axis of their own, at the right of `ax` and behind its curves."""
    right = ax.twinx()
    right.spines["right"].set_visible(True)
    draw_modes(right, relative_modes(ds), linewidth=0.8)
    right.set(ylim=(0, 1.05), ylabel="singular value (relative)")
    ax.set_zorder(right.get_zorder() + 1)
    ax.patch.set_visible(False)


# --- figures ------------------------------------------------------------------------------------------------------


def modes(network: Cells) -> tuple[Figure, pd.DataFrame]:
    """Loss, and below it the relative singular values with the closed form dashed over them."""
    ds = member(network)
    relative, closed = relative_modes(ds), ds.mode_curve / ds.singular_value.max()
    figure = new_figure(COLUMN, 3.9)
    top, bottom = figure.subplots(2, 1, sharex=True)
    top.plot(ds.epoch, ds.loss, color=LOSS)
    top.set(ylabel="mean squared error", ylim=(0, 1.05))
    draw_modes(bottom, relative, linewidth=1.8)
    draw_modes(bottom, closed, **CLOSED_FORM)
    bottom.plot([], [], label="closed form", **CLOSED_FORM)
    bottom.set(xlabel="epoch", ylabel="singular value (relative)", ylim=(0, 1.05))
    bottom.legend(loc="upper left")
    parts = {"loss": ds.loss, "relative singular value": relative, "closed form": closed}
    return figure, pd.concat([in_panel("modes", values, name) for name, values in parts.items()])


def representations(network: Cells, *, items: list[str], epochs: list[int]) -> tuple[Figure, pd.DataFrame]:
    """Similarity of the items' hidden activity at `epochs`, above loss and modes with those epochs marked."""
    ds = member(network)
    rsm = (ds.rsm / ds.rsm.max()).sel(epoch=epochs)
    figure = new_figure(PAGE, 3.5)
    top, bottom = cast(Any, figure.subfigures(2, 1, height_ratios=[1.15, 1]))
    _rsm_row(top, rsm, items)
    ax = bottom.subplots()
    _loss_and_modes(ax, ds)
    for epoch in epochs:
        ax.axvline(epoch, color="0.5", linewidth=0.7, linestyle=":")
    tables = [in_panel("rsm", rsm, "similarity"), in_panel("curves", ds.loss, "loss")]
    return figure, pd.concat([*tables, in_panel("curves", relative_modes(ds), "relative singular value")])


def _rsm_row(figure: Any, rsm: xr.DataArray, items: Sequence[str]) -> None:
    axes = figure.subplots(1, rsm.sizes["epoch"], sharey=True)
    for ax, epoch in zip(axes, rsm.epoch.values, strict=True):
        image = ax.imshow(rsm.sel(epoch=epoch), cmap="Purples", vmin=0, vmax=1)
        ax.set_title(f"epoch {epoch}")
        ax.set_xticks(range(len(items)), items, rotation=90)
        ax.tick_params(length=0)
    axes[0].set_yticks(range(len(items)), items)
    figure.colorbar(image, ax=list(axes), label="similarity", aspect=12, pad=0.01, shrink=0.6)


def _loss_and_modes(ax: Axes, ds: xr.Dataset) -> None:
    ax.plot(ds.epoch, ds.loss, color=LOSS)
    ax.set(xlabel="epoch", xlim=(0, ds.epoch[-1]), ylim=(0, 1.05))
    ax.set_ylabel("mean squared error", color=LOSS)
    modes_axis(ax, ds)


# --- claims -------------------------------------------------------------------------------------------------------


def half_height(curves: xr.DataArray, heights: np.ndarray) -> np.ndarray:
    """Epoch, interpolated, at which every curve [epoch, mode] first reaches half its height; NaN if it never does."""
    epochs = curves.epoch.values
    return np.array(
        [
            _first_above(epochs, curves.sel(mode=mode).values, height / 2)
            for mode, height in zip(curves.mode.values, heights, strict=True)
        ]
    )


def _first_above(epochs: np.ndarray, curve: np.ndarray, level: float) -> float:
    after = int(np.argmax(curve >= level))
    around = [max(after - 1, 0), after]
    return float(np.interp(level, curve[around], epochs[around])) if curve[after] >= level else np.nan


def modes_in_order(network: Cells, *, groups: list[list[int]]) -> Measured:
    """Epochs of half-height, each of the `groups` of modes entirely before the next."""
    ds = member(network)
    times = half_height(ds.singular_value, ds.target_singular_value.values)
    grouped = [times[np.array(group) - 1] for group in groups]
    ordered = all(a.max() < b.min() for a, b in pairwise(grouped))
    return Measured(times.round(2), ordered)


def times_of_closed_form(network: Cells, *, tolerance: float = 0.0) -> Measured:
    """Largest relative deviation of the epochs of half-height from those of the closed form."""
    ds = member(network)
    heights = ds.target_singular_value.values
    measured, closed = (half_height(curves, heights) + 1 for curves in (ds.singular_value, ds.mode_curve))
    deviation = float(np.abs(measured / closed - 1).max())
    return Measured(deviation, deviation <= tolerance)
