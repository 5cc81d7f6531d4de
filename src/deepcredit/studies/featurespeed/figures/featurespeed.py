"""Figures of Chizat & Netrapalli, *The feature speed formula*: how features move in one learning step."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.figures.base import Cells, Measured, NotTestable
from deepcredit.figures.cells import at, only
from deepcredit.figures.drawing import family, new_figure
from deepcredit.figures.style import COLUMN
from deepcredit.figures.tables import tidy, told_apart

#: kinds of step, as they are called in legends; the first is the figure, the second its overlay
STEPS = {"branch_out": "step on $V_k$", "both": "step on $W_k$ and $V_k$"}

#: what is measured at every layer, with its colour and its name
OBSERVABLES = {
    "aligned_speed": ("#0072B2", "aligned speed"),
    "speed": ("#D55E00", "speed"),
    "sensitivity": ("#009E73", "sensitivity"),
}


def branch_label(text: str) -> str:
    """How a branch scale such as `0.5/sqrtL` is written in a legend."""
    factor, _, by = text.partition("/")
    if not by:
        return rf"$\beta={factor}$"
    return rf"$\beta={factor}/L$" if by == "L" else rf"$\beta={factor}/\sqrt{{L}}$"


def angle_axis(ax: Axes, top: float = np.pi / 2) -> None:
    """A vertical axis from 0 to `top`, labelled up to a right angle."""
    ax.set(ylim=(0, top), yticks=[0, np.pi / 4, np.pi / 2])
    ax.set_yticklabels(["0", r"$\pi/4$", r"$\pi/2$"])


# --- observables against the layer --------------------------------------------------------------------------------


def observables(
    layers: Cells, *, branch_scale: str, seed: int, yscale: Literal["linear", "log"]
) -> tuple[Figure, pd.DataFrame]:
    """Aligned speed, speed and sensitivity at every layer, at one branch scale.

    Bold lines are the seed `seed`, thin ones the other seeds; dashes are the formula; pale lines the overlay.
    """
    chosen = only(layers).sel(branch_scale=branch_scale)
    figure = new_figure(COLUMN, 3.0)
    ax = figure.subplots()
    for name, (color, label) in OBSERVABLES.items():
        _observable(ax, chosen[name], color, label, seed)
    formula = chosen.formula.sel(updated="branch_out", seed=seed)
    ax.plot(chosen.layer, formula, color="black", linewidth=0.9, dashes=(2, 2), label=r"sensitivity$\,\cdot(v-1)/L$")
    ax.set(xlabel="layer $v$", ylabel="size", xlim=(1, chosen.layer[-1]), yscale=yscale)
    if yscale == "linear":
        ax.set_ylim(bottom=0)
    _observables_legend(figure, ax)
    return figure, _observables_table(chosen, seed)


def _observable(ax: Axes, values: xr.DataArray, color: str, label: str, seed: int) -> None:
    for other in values.seed.values[values.seed.values != seed]:
        ax.plot(values.layer, values.sel(updated="branch_out", seed=other), color=color, linewidth=0.5, alpha=0.35)
    if values.name != "sensitivity":
        ax.plot(values.layer, values.sel(updated="both", seed=seed), color=color, linewidth=2.6, alpha=0.3)
    ax.plot(values.layer, values.sel(updated="branch_out", seed=seed), color=color, label=label)


def _observables_legend(figure: Figure, ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    handles += [Line2D([], [], color="0.3", linewidth=2.6, alpha=0.3), Line2D([], [], color="0.3", linewidth=0.5)]
    labels += [f"pale: {STEPS['both']}", "thin: other seeds"]
    figure.legend(handles, labels, loc="outside upper center", ncols=2)


def _observables_table(chosen: xr.Dataset, seed: int) -> pd.DataFrame:
    """Rows of what is drawn: every seed of the first kind of step, and one seed of its overlay and of the formula."""
    first, overlay = chosen.sel(updated=["branch_out"]), chosen.sel(updated=["both"], seed=[seed])
    drawn = [(name, first[name]) for name in OBSERVABLES]
    drawn += [(name, overlay[name]) for name in OBSERVABLES if name != "sensitivity"]
    drawn += [("formula", first.formula.sel(seed=[seed]))]
    tables = [tidy(values, quantity=name) for name, values in drawn]
    return pd.concat(tables)[["quantity", "updated", "seed", "layer", "value"]]


# --- angles -------------------------------------------------------------------------------------------------------


def angle_vs_layer(layers: Cells) -> tuple[Figure, pd.DataFrame]:
    """Backward-feature angle at every layer, one line a seed, one colour a branch scale; the overlay's mean is pale."""
    ds = only(layers)
    figure = new_figure(COLUMN * 1.4, 2.8)
    ax = figure.subplots()
    first, overlay = ds.angle.sel(updated="branch_out"), ds.angle.sel(updated="both").mean("seed")
    colors = family(ds.branch_scale.values.tolist())
    for scale, color in colors.items():
        ax.plot(ds.layer, overlay.sel(branch_scale=scale), color=color, linewidth=2.6, alpha=0.3)
        ax.plot(ds.layer, first.sel(branch_scale=scale).T, color=color, linewidth=0.7)
    angle_axis(ax)
    ax.set(xlabel="layer $v$", ylabel="backward-feature angle (rad)", xlim=(0, ds.sizes["layer"] + 1))
    _branch_legend(figure, colors)
    figure.legend(handles=_step_handles(), loc="outside upper center", ncols=2)
    drawn = {"seed": first, "mean over seeds, step on both": overlay}
    moving = {name: values.isel(layer=slice(1, None)) for name, values in drawn.items()}
    return figure, told_apart(moving, "statistic", "angle")


def _step_handles() -> list[Line2D]:
    return [
        Line2D([], [], color="0.3", linewidth=0.7, label=STEPS["branch_out"]),
        Line2D([], [], color="0.3", linewidth=2.6, alpha=0.3, label=f"{STEPS['both']} (mean)"),
    ]


def _branch_legend(figure: Figure, colors: Mapping[str, Any]) -> None:
    """Branch scales, largest angle on top."""
    handles = [Line2D([], [], color=color, label=branch_label(scale)) for scale, color in colors.items()]
    figure.legend(handles=handles[::-1], loc="outside right center")


def angle_vs_depth(depth: Cells) -> tuple[Figure, pd.DataFrame]:
    """Angle at the output against depth: dots for the first kind of step, pale rings for the overlay."""
    ds = only(depth)
    angle = ds.angle.isel(seed=0, drop=True)
    figure = new_figure(COLUMN * 1.4, 2.7)
    ax = figure.subplots()
    colors = family(ds.branch_scale.values.tolist())
    for scale, color in colors.items():
        first, overlay = (angle.sel(updated=updated, branch_scale=scale) for updated in STEPS)
        ax.plot(ds.num_layers, overlay, "o", color=color, markersize=3.2, markerfacecolor="none", alpha=0.3, mew=0.6)
        ax.plot(ds.num_layers, first, ".", color=color, markersize=3.4, markeredgewidth=0)
    angle_axis(ax, top=max(np.pi / 2, float(angle.max())) + 0.03)
    ax.axhline(np.pi / 2, color="0.7", linewidth=0.6, zorder=0)
    ax.set(xlabel="depth $L$", ylabel="output angle (rad)", xlim=(0, ds.num_layers.max() + 5))
    _branch_legend(figure, colors)
    figure.legend(handles=_mark_handles(), loc="outside upper center", ncols=2)
    return figure, tidy(angle.sel(updated=list(STEPS)), "angle")


def _mark_handles() -> list[Line2D]:
    marks: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": "0.4"}
    return [
        Line2D([], [], markersize=2, label=STEPS["branch_out"], **marks),
        Line2D([], [], markersize=4, markerfacecolor="none", alpha=0.5, label=STEPS["both"], **marks),
    ]


def collapsed(cells: Cells, updated: str, dropped: Mapping[int, int]) -> dict[int, xr.DataArray]:
    """Output angles [seed, x] by depth L, over x = √L·β, without the first `dropped[L]` branch scales."""
    curves = {}
    for ds in cells:
        depth = ds.sizes["layer"] + 1
        angle = ds.angle.sel(updated=updated).isel(layer=-1, drop=True)
        angle = angle.assign_coords(x=("branch_scale", depth**0.5 * ds.beta.values)).swap_dims(branch_scale="x")
        curves[depth] = angle.drop_vars("branch_scale").isel(x=slice(dropped.get(depth, 0), None))
    return dict(sorted(curves.items()))


def angle_vs_branch_scale(branch_scale: Cells, *, dropped: Mapping[int, int]) -> tuple[Figure, pd.DataFrame]:
    """Output angle, mean over seeds, against √L·β, one curve a depth L; the first `dropped[L]` scales are left out."""
    figure = new_figure(COLUMN, 2.7)
    ax = figure.subplots()
    ax.axvline(1, color="0.3", linestyle=":", linewidth=1)
    ax.annotate(r"$\beta=1/\sqrt{L}$", (1, 0.05), xytext=(4, 0), textcoords="offset points", fontsize="small")
    tables = [_collapse_curves(ax, collapsed(branch_scale, updated, dropped), updated) for updated in reversed(STEPS)]
    angle_axis(ax)
    ax.set(xscale="log", xlabel=r"normalised branch scale $\sqrt{L}\,\beta$", ylabel="output angle (rad)")
    handles, labels = ax.get_legend_handles_labels()
    pale = Line2D([], [], color="0.3", linewidth=2.6, alpha=0.3)
    ax.legend([*handles, pale], [*labels, f"pale: {STEPS['both']}"], loc="upper left")
    return figure, pd.concat(tables[::-1])


def _collapse_curves(ax: Axes, curves: dict[int, xr.DataArray], updated: str) -> pd.DataFrame:
    tables = []
    for depth, color in family(curves).items():
        mean = curves[depth].mean("seed")
        if updated == "branch_out":
            ax.plot(mean.x, mean, "o-", color=color, markersize=2.5, label=f"$L={depth}$")
        else:
            ax.plot(mean.x, mean, color=color, linewidth=2.6, alpha=0.3)
        tables.append(tidy(mean, "angle", updated=updated, num_layers=depth))
    return pd.concat(tables).rename(columns={"x": "sqrtL_beta"})[["updated", "num_layers", "sqrtL_beta", "angle"]]


# --- claims -------------------------------------------------------------------------------------------------------


def formula_holds(layers: Cells, *, branch_scale: str, tolerance: float = 0.0) -> Measured:
    """Largest relative deviation of the aligned speed from the formula, over layers v ≥ 2 and seeds."""
    chosen = only(layers).sel(updated="branch_out", branch_scale=branch_scale).isel(layer=slice(1, None))
    deviation = float(np.abs(chosen.aligned_speed / chosen.formula - 1).max())
    return Measured(deviation, deviation <= tolerance)


def mean_output_angle(depth: Cells, *, branch_scale: str, from_depth: int, published: tuple[float, float]) -> Measured:
    """Mean output angle over depths of at least `from_depth`, against the two bounds `published`."""
    ds = at(only(depth), branch_scale=branch_scale)
    deep = ds.angle.sel(updated="branch_out", num_layers=ds.num_layers >= from_depth)
    if deep.sizes["num_layers"] == 0:
        raise NotTestable(f"needs depths of {from_depth} layers or more")
    low, high = published
    mean = deep.mean().item()
    return Measured(mean, low <= mean <= high)


def curves_collapse(
    branch_scale: Cells,
    *,
    dropped: Mapping[int, int],
    num_layers: Sequence[int],
    seeds: int,
    between: tuple[float, float],
    published: float,
) -> Measured:
    """Largest difference between the mean curves of the depths, joined by straight lines in log √L·β.

    `between` two values of √L·β, for the depths `num_layers` and the mean over `seeds` seeds.
    """
    curves = collapsed(branch_scale, "branch_out", dropped)
    missing = sorted(set(num_layers) - set(curves))
    if missing:
        raise NotTestable(f"needs depths {', '.join(map(str, missing))}")
    fewest = min(curve.sizes["seed"] for curve in curves.values())
    if fewest < seeds:
        raise NotTestable(f"needs the mean over {seeds} seeds, not {fewest}")
    low, high = np.log(between)
    at_x = np.linspace(low, high, 400)
    heights = [np.interp(at_x, np.log(c.x.values), c.mean("seed").values) for c in curves.values()]
    spread = float(np.ptp(heights, axis=0).max())
    return Measured(spread, spread < published)
