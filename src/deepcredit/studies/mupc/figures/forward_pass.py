"""Figures of Innocenti, Achour & Buckley (2025), μPC: activities and weights in the first steps of training."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from deepcredit.config.figure import Claim
from deepcredit.figures.base import Data, Measured, NotTestable, require
from deepcredit.figures.posters import legend_above, poster

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


def norms(data: Data) -> dict[tuple[str, bool], xr.Dataset]:
    """All norms of every kind of network, mean over seeds, over (width, num_layers, act_fn, optimizer, layer, step)."""
    found = {}
    for kind in KINDS:
        cells = [c for c in data["forward"] if (str(c.parameterisation.item()), bool(c.skips)) == kind]
        cells = sorted((c.mean("seed") for c in cells), key=lambda c: int(c.width))
        found[kind] = xr.concat(cells, "width", coords="minimal", compat="override")
    return found


def layer_colors(layers: Sequence[str]) -> dict[str, Any]:
    """Dark for the first layer, bright for the last."""
    return dict(zip(layers, matplotlib.colormaps["plasma"](np.linspace(0.0, 0.85, len(layers))), strict=True))


# --- against width and depth --------------------------------------------------------------------------------------


def against_width(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Norms against width at one depth (the smallest of the grid if `options.num_layers` is not on it)."""
    found = norms(data)
    depths = next(iter(found.values())).num_layers.values.tolist()
    depth = options["num_layers"] if options["num_layers"] in depths else depths[0]
    return _grid(found, [{"num_layers": depth}], "width", options)


def against_depth(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Norms against depth at two widths: those of `options.widths`, or else the ends of the grid."""
    found = norms(data)
    widths = next(iter(found.values())).width.values.tolist()
    held = options["widths"] if set(options["widths"]) <= set(widths) else sorted({widths[0], widths[-1]})
    return _grid(found, [{"width": width} for width in held], "num_layers", options)


def _grid(
    found: Mapping[tuple[str, bool], xr.Dataset], held: list[dict[str, int]], dim: str, options: Mapping[str, Any]
) -> tuple[Figure, pd.DataFrame]:
    """A row for every kind and norm, a column for every held setting, φ and optimiser."""
    columns = [(h, act_fn, name) for h in held for act_fn in ("linear", "tanh", "relu") for name in OPTIMIZERS]
    rows = [(kind, metric) for kind in KINDS for metric in METRICS]
    figure, axes = poster(len(rows), len(columns), (1.25, 0.75), (0.08, 0.12), 0.75, sharex=True, sharey="row")
    tables = []
    for (kind, metric), row in zip(rows, axes, strict=True):
        for (at, act_fn, name), ax in zip(columns, row, strict=True):
            values = found[kind][metric].sel({"act_fn": act_fn, "optimizer": name, **at})
            steps = [step for step in options["steps"] if step in values.step.values]
            _panel(ax, values, dim, steps)
            table = values.sel(step=steps).rename("value").to_dataframe().reset_index()
            tables.append(table.assign(parameterisation=kind[0], skips=kind[1], norm=metric))
        row[0].set_ylabel(f"{KINDS[kind]}\n{METRICS[metric]}", fontsize=6)
    _log_axes(axes, next(iter(found.values()))[dim].values)
    symbol = {"width": "$L = {}$", "num_layers": "$N = {}$"}[dim]
    for (at, act_fn, name), ax in zip(columns, axes[0], strict=True):
        ax.set_title(f"{act_fn}, {OPTIMIZERS[name]}\n{symbol.format(*at.values())}", fontsize=7)
    for ax in axes[-1]:
        ax.set_xlabel("width $N$" if dim == "width" else "layers $L$")
    layers = next(iter(found.values())).layer.values.tolist()
    legend_above(figure, _legend(layers, options["steps"]))
    table = pd.concat(tables, ignore_index=True)
    first = ["parameterisation", "skips", "norm", "act_fn", "optimizer", "width", "num_layers", "layer", "step"]
    return figure, table[[*first, "value"]]


def _legend(layers: Sequence[str], steps: Sequence[int]) -> list[Line2D]:
    colors = [Line2D([], [], color=c, label=rf"$\ell = {layer}$") for layer, c in layer_colors(layers).items()]
    styles = [Line2D([], [], color="0.3", linestyle=LINES[step], label=f"$t = {step}$") for step in steps]
    marks = {"v": "zero", "^": "not finite"}
    beyond = [Line2D([], [], color="0.3", marker=m, linestyle="none", label=label) for m, label in marks.items()]
    return colors + styles + beyond


def _panel(ax: Axes, values: xr.DataArray, dim: str, steps: Sequence[int]) -> None:
    """A curve for every layer and step; zeros and values that are not finite at the edges."""
    x = values[dim].values
    for layer, color in layer_colors(values.layer.values.tolist()).items():
        for step in steps:
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
        ax.tick_params(labelsize=5, pad=1)


# --- over training ------------------------------------------------------------------------------------------------


def spectral_norm_over_training(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Spectral norm over the steps at one depth and two widths; a row for every kind and width."""
    found = norms(data)
    some = next(iter(found.values()))
    depths, widths = some.num_layers.values.tolist(), some.width.values.tolist()
    depth = options["num_layers"] if options["num_layers"] in depths else depths[0]
    held = options["widths"] if set(options["widths"]) <= set(widths) else sorted({widths[0], widths[-1]})
    columns = [(act_fn, name) for act_fn in ("linear", "tanh", "relu") for name in OPTIMIZERS]
    rows = [(kind, width) for kind in KINDS for width in held]
    figure, axes = poster(len(rows), len(columns), (1.25, 0.75), (0.08, 0.12), 0.75, sharex=True, sharey="row")
    tables = []
    for (kind, width), row in zip(rows, axes, strict=True):
        for (act_fn, name), ax in zip(columns, row, strict=True):
            at = {"act_fn": act_fn, "optimizer": name, "width": width, "num_layers": depth}
            values = found[kind].spectral_norm.sel(at)
            for layer, color in layer_colors(values.layer.values.tolist()).items():
                curve = values.sel(layer=layer)
                ax.plot(curve.step, curve.where(np.isfinite(curve)), color=color, linewidth=0.9)
            ax.tick_params(labelsize=5, pad=1)
            table = values.rename("spectral_norm").to_dataframe().reset_index()
            tables.append(table.assign(parameterisation=kind[0], skips=kind[1]))
        row[0].set_ylabel(f"{KINDS[kind]}\n$N = {width}$\n{METRICS['spectral_norm']}", fontsize=6)
    for (act_fn, name), ax in zip(columns, axes[0], strict=True):
        ax.set_title(f"{act_fn}, {OPTIMIZERS[name]}")
    axes[0, 0].set_xticks(some.step.values)
    for ax in axes[-1]:
        ax.set_xlabel("iteration")
    colors = layer_colors(some.layer.values.tolist()).items()
    handles = [Line2D([], [], color=c, label=rf"$\ell = {layer}$") for layer, c in colors]
    legend_above(figure, handles, title=f"$L = {depth}$")
    table = pd.concat(tables, ignore_index=True)
    first = [
        "parameterisation",
        "skips",
        "act_fn",
        "optimizer",
        "width",
        "num_layers",
        "layer",
        "step",
        "spectral_norm",
    ]
    return figure, table[first]


# --- claims -------------------------------------------------------------------------------------------------------

#: all recorded layers but the output
HIDDEN = ["1", "L/4", "L/2", "3L/4"]


def _rms(data: Data, parameterisation: str, skips: bool) -> xr.DataArray:
    return norms(data)[parameterisation, skips].rms.sel(layer=HIDDEN)


def stays_within(data: Data, claim: Claim) -> Measured:
    """Largest over smallest RMS of hidden layers under Depth-μP with skips, over the whole grid."""
    rms = _rms(data, "depth_mup", True).sel(step=slice(0, claim.options["last_step"]))
    factor = float(rms.max() / rms.min()) if bool(np.isfinite(rms).all()) else float("inf")
    return Measured({"smallest": float(rms.min()), "largest": float(rms.max())}, factor <= claim.published)


def vanishes_with_depth(data: Data, claim: Claim) -> Measured:
    """RMS at 3L/4 before training without skips, deepest over shallowest network: the largest over N and φ."""
    rms = _rms(data, "sp", False).sel(layer="3L/4", step=0)
    if rms.num_layers.max() < 8 * rms.num_layers.min():
        raise NotTestable("needs depths that differ eightfold")
    left = (rms.isel(num_layers=-1) / rms.isel(num_layers=0)).max(["width", "optimizer"])
    value = {str(a): float(left.sel(act_fn=a)) for a in left.act_fn.values}
    value["layers"] = rms.num_layers.values[[0, -1]]
    return Measured(value, bool((left <= claim.published).all()))


def explodes_with_depth(data: Data, claim: Claim) -> Measured:
    """RMS at 3L/4 before training with skips, deepest over shallowest network: the smallest over N, linear and relu.

    tanh is held to its published size at the depth wanted, within a factor of `tolerance`.
    """
    rms = _rms(data, "sp", True).sel(layer="3L/4", step=0)
    require(rms.to_dataset(name="rms"), num_layers=[claim.options["num_layers"]])
    grown = (rms.sel(num_layers=claim.options["num_layers"]) / rms.isel(num_layers=0)).min(["width", "optimizer"])
    value = {a: float(grown.sel(act_fn=a)) for a in ("linear", "relu")}
    holds = all(not np.isfinite(g) or g >= claim.published["factor"] for g in value.values())
    tanh = rms.sel(num_layers=claim.options["num_layers"], act_fn="tanh").mean(["width", "optimizer"]).item()
    factor = claim.tolerance or 1
    near = 1 / factor <= tanh / claim.published["tanh"] <= factor
    return Measured(value | {"RMS of tanh": tanh}, holds and near)


def orthogonal_is_constant(data: Data, claim: Claim) -> Measured:
    """Linear orthogonal networks before training: largest over smallest RMS among the hidden layers of a network."""
    rms = _rms(data, "orthogonal", False).sel(act_fn="linear", step=0)
    factor = float((rms.max("layer") / rms.min("layer")).max())
    return Measured({"largest over smallest": factor}, abs(factor - 1) <= (claim.tolerance or 0))
