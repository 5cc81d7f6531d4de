"""Figures of Innocenti, Achour & Buckley (2025), μPC: activities and weights in the first steps of training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from deepcredit.figures.base import Cells, Measured, NotTestable
from deepcredit.figures.cells import having, require
from deepcredit.figures.drawing import family, text_size
from deepcredit.figures.posters import legend_above, poster
from deepcredit.figures.tables import tidy

#: parameterisations in the order of the rows, with and without skips, and how they are written
KINDS = {
    ("sp", False): "SP",
    ("sp", True): "SP, skips",
    ("depth_mup", False): "Depth-μP",
    ("depth_mup", True): "Depth-μP, skips",
    ("orthogonal", False): "orthogonal",
}

METRICS = {"mean_abs": r"mean $|z_\ell|$", "rms": r"RMS $z_\ell$", "spectral_norm": r"$\|W_\ell\|_2$"}

OPTIMIZERS = {"gd": "SGD", "adam": "Adam"}

#: line style of a step
LINES: dict[int, Any] = {0: "-", 1: "--", 2: ":"}


#: norms by parameterisation and skips
Norms = Mapping[tuple[str, bool], xr.Dataset]


def norms(forward: Cells) -> Norms:
    """All norms of every kind of network, mean over seeds, over (width, num_layers, act_fn, optimizer, layer, step)."""
    found = {}
    for parameterisation, skips in KINDS:
        cells = [c.mean("seed") for c in having(forward, parameterisation=parameterisation, skips=skips)]
        cells.sort(key=lambda cell: int(cell.width))
        found[parameterisation, skips] = xr.concat(cells, "width", coords="minimal", compat="override")
    return found


def layer_colors(layers: Sequence[str]) -> dict[str, Any]:
    """Dark for the first layer, bright for the last."""
    return family(layers, "plasma")


def _layer_handles(layers: Sequence[str]) -> list[Line2D]:
    return [Line2D([], [], color=c, label=rf"$\ell = {layer}$") for layer, c in layer_colors(layers).items()]


def _depth_of(found: Norms, num_layers: int) -> int:
    """A depth of the grid: the one asked for, or else the smallest."""
    depths = next(iter(found.values())).num_layers.values.tolist()
    return num_layers if num_layers in depths else depths[0]


def _widths_of(found: Norms, widths: Sequence[int]) -> list[int]:
    """Widths of the grid: those asked for, or else its ends."""
    there = next(iter(found.values())).width.values.tolist()
    return list(widths) if set(widths) <= set(there) else sorted({there[0], there[-1]})


# --- against width and depth --------------------------------------------------------------------------------------

#: activation function and optimiser of every column
COLUMNS = [(act_fn, name) for act_fn in ("linear", "tanh", "relu") for name in OPTIMIZERS]

#: panels of posters: their size, the gaps between them, and the room above, in inches
LAYOUT = ((1.25, 0.75), (0.08, 0.12), 0.75)


def against_width(forward: Cells, *, num_layers: int, steps: list[int]) -> tuple[Figure, pd.DataFrame]:
    """Norms against width at one depth (the smallest of the grid if `num_layers` is not on it), before some steps."""
    found = norms(forward)
    return _grid(found, [{"num_layers": _depth_of(found, num_layers)}], "width", steps)


def against_depth(forward: Cells, *, widths: list[int], steps: list[int]) -> tuple[Figure, pd.DataFrame]:
    """Norms against depth at two widths: `widths`, or else the ends of the grid, before some steps."""
    found = norms(forward)
    return _grid(found, [{"width": width} for width in _widths_of(found, widths)], "num_layers", steps)


def _grid(found: Norms, held: list[dict[str, int]], dim: str, steps: Sequence[int]) -> tuple[Figure, pd.DataFrame]:
    """A row for every kind and norm, a column for every held setting, φ and optimiser."""
    columns: list[dict[str, Any]] = [
        {"act_fn": act_fn, "optimizer": name, **at} for at in held for act_fn, name in COLUMNS
    ]
    rows = [(kind, metric) for kind in KINDS for metric in METRICS]
    figure, axes = poster(len(rows), len(columns), *LAYOUT, sharex=True, sharey="row")
    tables = []
    for (kind, metric), row in zip(rows, axes, strict=True):
        for at, ax in zip(columns, row, strict=True):
            values = found[kind][metric].sel(at)
            values = values.sel(step=[step for step in steps if step in values.step.values])
            _panel(ax, values, dim)
            tables.append(tidy(values, **at, parameterisation=kind[0], skips=kind[1], norm=metric))
        row[0].set_ylabel(f"{KINDS[kind]}\n{METRICS[metric]}", fontsize=text_size(0.75))
    some = next(iter(found.values()))
    _log_axes(axes, some[dim].values)
    _label_columns(axes, columns, dim)
    legend_above(figure, _legend(some.layer.values.tolist(), steps))
    table = pd.concat(tables, ignore_index=True)
    first = ["parameterisation", "skips", "norm", "act_fn", "optimizer", "width", "num_layers", "layer", "step"]
    return figure, table[[*first, "value"]]


def _label_columns(axes: np.ndarray, columns: Sequence[Mapping[str, Any]], dim: str) -> None:
    for at, ax in zip(columns, axes[0], strict=True):
        held = f"L = {at['num_layers']}" if dim == "width" else f"N = {at['width']}"
        ax.set_title(f"{at['act_fn']}, {OPTIMIZERS[at['optimizer']]}\n${held}$", fontsize="small")
    for ax in axes[-1]:
        ax.set_xlabel("width $N$" if dim == "width" else "layers $L$")


def _legend(layers: Sequence[str], steps: Sequence[int]) -> list[Line2D]:
    styles = [Line2D([], [], color="0.3", linestyle=LINES[step], label=f"$t = {step}$") for step in steps]
    marks = {"v": "zero", "^": "not finite"}
    beyond = [Line2D([], [], color="0.3", marker=m, linestyle="none", label=label) for m, label in marks.items()]
    return [*_layer_handles(layers), *styles, *beyond]


def _panel(ax: Axes, values: xr.DataArray, dim: str) -> None:
    """A curve for every layer and step; zeros and values that are not finite at the edges."""
    x = values[dim].values
    for layer, color in layer_colors(values.layer.values.tolist()).items():
        for step in values.step.values.tolist():
            curve = values.sel(layer=layer, step=step).transpose(dim).values
            drawn = np.where(np.isfinite(curve) & (curve > 0), curve, np.nan)
            ax.plot(x, drawn, LINES[step], color=color, linewidth=0.9, marker=".", markersize=2.5)
            for height, marker, beyond in ((0.04, "v", curve == 0), (0.96, "^", ~np.isfinite(curve))):
                if beyond.any():
                    at: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "linestyle": "none", "markersize": 3}
                    ax.plot(x[beyond], np.full(beyond.sum(), height), marker=marker, color=color, **at)


def _log_axes(axes: np.ndarray, x: np.ndarray) -> None:
    """Log x, and log y where a row spans a decade. All panels share x and those of a row y, so each is set once."""
    axes[0, 0].set_xscale("log")
    axes[0, 0].set_xticks(x, [str(size) for size in x])
    axes[0, 0].xaxis.set_minor_locator(NullLocator())
    for row in axes:
        spans = np.array([ax.dataLim.intervaly for ax in row])
        if spans[:, 1].max() > 10 * spans[:, 0].min():
            row[0].set_yscale("log")
            row[0].yaxis.set_minor_locator(NullLocator())
    for ax in axes.ravel():
        ax.tick_params(labelsize=text_size(0.625), pad=1)


# --- over training ------------------------------------------------------------------------------------------------


def spectral_norm_over_training(forward: Cells, *, num_layers: int, widths: list[int]) -> tuple[Figure, pd.DataFrame]:
    """Spectral norm over the steps at one depth and two widths; a row for every kind and width."""
    found = norms(forward)
    depth = _depth_of(found, num_layers)
    rows = [(kind, width) for kind in KINDS for width in _widths_of(found, widths)]
    figure, axes = poster(len(rows), len(COLUMNS), *LAYOUT, sharex=True, sharey="row")
    tables = []
    for (kind, width), row in zip(rows, axes, strict=True):
        for (act_fn, name), ax in zip(COLUMNS, row, strict=True):
            at = {"act_fn": act_fn, "optimizer": name, "width": width, "num_layers": depth}
            table = _norm_curves(ax, found[kind].spectral_norm.sel(at))
            tables.append(table.assign(**at, parameterisation=kind[0], skips=kind[1]))
        label = f"{KINDS[kind]}\n$N = {width}$\n{METRICS['spectral_norm']}"
        row[0].set_ylabel(label, fontsize=text_size(0.75))
    some = next(iter(found.values()))
    _label_training(axes, some.step.values)
    legend_above(figure, _layer_handles(some.layer.values.tolist()), title=f"$L = {depth}$")
    first = ["parameterisation", "skips", "act_fn", "optimizer", "width", "num_layers", "layer", "step"]
    return figure, pd.concat(tables, ignore_index=True)[[*first, "spectral_norm"]]


def _norm_curves(ax: Axes, values: xr.DataArray) -> pd.DataFrame:
    """A curve for every layer, with gaps where the norm is not finite."""
    for layer, color in layer_colors(values.layer.values.tolist()).items():
        curve = values.sel(layer=layer)
        ax.plot(curve.step, curve.where(np.isfinite(curve)), color=color, linewidth=0.9)
    ax.tick_params(labelsize=text_size(0.625), pad=1)
    return tidy(values, "spectral_norm")


def _label_training(axes: np.ndarray, steps: np.ndarray) -> None:
    for (act_fn, name), ax in zip(COLUMNS, axes[0], strict=True):
        ax.set_title(f"{act_fn}, {OPTIMIZERS[name]}")
    axes[0, 0].set_xticks(steps)
    for ax in axes[-1]:
        ax.set_xlabel("iteration")


# --- claims -------------------------------------------------------------------------------------------------------

#: all recorded layers but the output
HIDDEN = ["1", "L/4", "L/2", "3L/4"]


def _rms(forward: Cells, parameterisation: str, skips: bool) -> xr.DataArray:
    return norms(forward)[parameterisation, skips].rms.sel(layer=HIDDEN)


def stays_within(forward: Cells, *, last_step: int, published: float) -> Measured:
    """Largest over smallest RMS of hidden layers under Depth-μP with skips, over the whole grid until `last_step`."""
    rms = _rms(forward, "depth_mup", True).sel(step=slice(0, last_step))
    factor = float(rms.max() / rms.min()) if bool(np.isfinite(rms).all()) else float("inf")
    return Measured({"smallest": float(rms.min()), "largest": float(rms.max())}, factor <= published)


def vanishes_with_depth(forward: Cells, *, published: float) -> Measured:
    """RMS at 3L/4 before training without skips, deepest over shallowest network: the largest over N and φ."""
    rms = _rms(forward, "sp", False).sel(layer="3L/4", step=0)
    if rms.num_layers.max() < 8 * rms.num_layers.min():
        raise NotTestable("needs depths that differ eightfold")
    left = (rms.isel(num_layers=-1) / rms.isel(num_layers=0)).max(["width", "optimizer"])
    value = {str(a): float(left.sel(act_fn=a)) for a in left.act_fn.values}
    value["layers"] = rms.num_layers.values[[0, -1]]
    return Measured(value, bool((left <= published).all()))


@dataclass(frozen=True)
class Explosion:
    """The factor by which linear and relu networks grow at least, and the size that tanh networks reach."""

    factor: float
    tanh: float


def explodes_with_depth(forward: Cells, *, num_layers: int, published: Explosion, tolerance: float = 1.0) -> Measured:
    """RMS at 3L/4 before training with skips, deepest over shallowest network: the smallest over N, linear and relu.

    tanh is held to its published size at the depth `num_layers`, within a factor of `tolerance`.
    """
    rms = _rms(forward, "sp", True).sel(layer="3L/4", step=0)
    require(rms, num_layers=[num_layers])
    grown = (rms.sel(num_layers=num_layers) / rms.isel(num_layers=0)).min(["width", "optimizer"])
    value = {a: float(grown.sel(act_fn=a)) for a in ("linear", "relu")}
    holds = all(not np.isfinite(g) or g >= published.factor for g in value.values())
    tanh = rms.sel(num_layers=num_layers, act_fn="tanh").mean(["width", "optimizer"]).item()
    near = 1 / tolerance <= tanh / published.tanh <= tolerance
    return Measured(value | {"RMS of tanh": tanh}, holds and near)


def orthogonal_is_constant(forward: Cells, *, published: float, tolerance: float = 0.0) -> Measured:
    """Linear orthogonal networks before training: largest over smallest RMS among the hidden layers of a network."""
    rms = _rms(forward, "orthogonal", False).sel(act_fn="linear", step=0)
    factor = float((rms.max("layer") / rms.min("layer")).max())
    return Measured({"largest over smallest": factor}, abs(factor - published) <= tolerance)
