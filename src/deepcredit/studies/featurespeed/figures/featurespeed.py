"""Figures of Chizat & Netrapalli, *The feature speed formula*: how features move in one learning step."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.config.figure import Claim
from deepcredit.figures.base import Data, Measured, NotTestable, require
from deepcredit.figures.style import COLUMN, SEQUENCE

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


def family_colors(n: int) -> list[Any]:
    """Colours of an ordered family of `n` curves, dark to light."""
    return list(matplotlib.colormaps[SEQUENCE](np.linspace(0.0, 0.85, n)))


def angle_axis(ax: Axes, top: float = np.pi / 2) -> None:
    """A vertical axis from 0 to `top`, labelled up to a right angle."""
    ax.set(ylim=(0, top), yticks=[0, np.pi / 4, np.pi / 2])
    ax.set_yticklabels(["0", r"$\pi/4$", r"$\pi/2$"])


def frame_table(values: xr.DataArray, name: str) -> pd.DataFrame:
    """One row a value: its coordinates, and the value in column `name`."""
    return values.rename(name).to_dataframe().reset_index()[[*values.dims, name]]


# --- observables against the layer --------------------------------------------------------------------------------


def observables(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Aligned speed, speed and sensitivity at every layer, at branch scale `options.branch_scale`.

    Bold lines are the seed `options.seed`, thin ones the other seeds; dashes are the formula; pale lines the overlay.
    """
    (ds,) = data["layers"]
    chosen = ds.sel(branch_scale=options["branch_scale"])
    figure = Figure(figsize=(COLUMN, 3.0))
    ax = figure.subplots()
    for name, (color, label) in OBSERVABLES.items():
        _observable(ax, chosen[name], color, label, options["seed"])
    formula = chosen.formula.sel(updated="branch_out", seed=options["seed"])
    ax.plot(ds.layer, formula, color="black", linewidth=0.9, dashes=(2, 2), label=r"sensitivity$\,\cdot(v-1)/L$")
    ax.set(xlabel="layer $v$", ylabel="size", xlim=(1, ds.layer[-1]), yscale=options["yscale"])
    if options["yscale"] == "linear":
        ax.set_ylim(bottom=0)
    _observables_legend(figure, ax)
    return figure, _observables_table(chosen, options["seed"])


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
    tables = [frame_table(values, "value").assign(quantity=name) for name, values in drawn]
    return pd.concat(tables)[["quantity", "updated", "seed", "layer", "value"]]


# --- angles -------------------------------------------------------------------------------------------------------


def angle_vs_layer(data: Data, _options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Backward-feature angle at every layer, one line a seed, one colour a branch scale; the overlay's mean is pale."""
    (ds,) = data["layers"]
    figure = Figure(figsize=(COLUMN * 1.4, 2.8))
    ax = figure.subplots()
    first, overlay = ds.angle.sel(updated="branch_out"), ds.angle.sel(updated="both").mean("seed")
    colors = family_colors(ds.sizes["branch_scale"])
    for color, scale in zip(colors, ds.branch_scale.values, strict=True):
        ax.plot(ds.layer, overlay.sel(branch_scale=scale), color=color, linewidth=2.6, alpha=0.3)
        ax.plot(ds.layer, first.sel(branch_scale=scale).T, color=color, linewidth=0.7)
    angle_axis(ax)
    ax.set(xlabel="layer $v$", ylabel="backward-feature angle (rad)", xlim=(0, ds.sizes["layer"] + 1))
    _branch_legend(figure, ds.branch_scale.values, colors)
    figure.legend(handles=_step_handles(), loc="outside upper center", ncols=2)
    seeds, mean = (frame_table(values.isel(layer=slice(1, None)), "angle") for values in (first, overlay))
    return figure, pd.concat([seeds.assign(statistic="seed"), mean.assign(statistic="mean over seeds, step on both")])


def _step_handles() -> list[Line2D]:
    return [
        Line2D([], [], color="0.3", linewidth=0.7, label=STEPS["branch_out"]),
        Line2D([], [], color="0.3", linewidth=2.6, alpha=0.3, label=f"{STEPS['both']} (mean)"),
    ]


def _branch_legend(figure: Figure, scales: np.ndarray, colors: list[Any]) -> None:
    """Branch scales, largest angle on top."""
    handles = [Line2D([], [], color=color, label=branch_label(str(s))) for color, s in zip(colors, scales, strict=True)]
    figure.legend(handles=handles[::-1], loc="outside right center")


def angle_vs_depth(data: Data, _options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Angle at the output against depth: dots for the first kind of step, pale rings for the overlay."""
    (ds,) = data["depth"]
    angle = ds.angle.isel(seed=0, drop=True)
    figure = Figure(figsize=(COLUMN * 1.4, 2.7))
    ax = figure.subplots()
    colors = family_colors(ds.sizes["branch_scale"])
    for color, scale in zip(colors, ds.branch_scale.values, strict=True):
        first, overlay = (angle.sel(updated=updated, branch_scale=scale) for updated in STEPS)
        ax.plot(ds.num_layers, overlay, "o", color=color, markersize=3.2, markerfacecolor="none", alpha=0.3, mew=0.6)
        ax.plot(ds.num_layers, first, ".", color=color, markersize=3.4, markeredgewidth=0)
    angle_axis(ax, top=max(np.pi / 2, float(angle.max())) + 0.03)
    ax.axhline(np.pi / 2, color="0.7", linewidth=0.6, zorder=0)
    ax.set(xlabel="depth $L$", ylabel="output angle (rad)", xlim=(0, ds.num_layers.max() + 5))
    _branch_legend(figure, ds.branch_scale.values, colors)
    marks: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": "0.4"}
    handles = [
        Line2D([], [], markersize=2, label=STEPS["branch_out"], **marks),
        Line2D([], [], markersize=4, markerfacecolor="none", alpha=0.5, label=STEPS["both"], **marks),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure, frame_table(angle.sel(updated=list(STEPS)), "angle")


def collapsed(data: Data, updated: str, dropped: Mapping[int, int]) -> dict[int, xr.DataArray]:
    """Output angles [seed, x] by depth L, over x = √L·β, without the first `dropped[L]` branch scales."""
    curves = {}
    for ds in data["branch_scale"]:
        depth = ds.sizes["layer"] + 1
        angle = ds.angle.sel(updated=updated).isel(layer=-1, drop=True)
        angle = angle.assign_coords(x=("branch_scale", depth**0.5 * ds.beta.values)).swap_dims(branch_scale="x")
        curves[depth] = angle.drop_vars("branch_scale").isel(x=slice(dropped.get(depth, 0), None))
    return dict(sorted(curves.items()))


def angle_vs_branch_scale(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Output angle, mean over seeds, against √L·β, one curve a depth; `options.dropped` branch scales are left out."""
    dropped = {int(depth): n for depth, n in options["dropped"].items()}
    figure = Figure(figsize=(COLUMN, 2.7))
    ax = figure.subplots()
    ax.axvline(1, color="0.3", linestyle=":", linewidth=1)
    ax.annotate(r"$\beta=1/\sqrt{L}$", (1, 0.05), xytext=(4, 0), textcoords="offset points", fontsize=7)
    tables = [_collapse_curves(ax, collapsed(data, updated, dropped), updated) for updated in reversed(STEPS)]
    angle_axis(ax)
    ax.set(xscale="log", xlabel=r"normalised branch scale $\sqrt{L}\,\beta$", ylabel="output angle (rad)")
    handles, labels = ax.get_legend_handles_labels()
    pale = Line2D([], [], color="0.3", linewidth=2.6, alpha=0.3)
    ax.legend([*handles, pale], [*labels, f"pale: {STEPS['both']}"], loc="upper left")
    return figure, pd.concat(tables[::-1])


def _collapse_curves(ax: Axes, curves: dict[int, xr.DataArray], updated: str) -> pd.DataFrame:
    tables = []
    for color, (depth, angle) in zip(family_colors(len(curves)), curves.items(), strict=True):
        mean = angle.mean("seed")
        if updated == "branch_out":
            ax.plot(mean.x, mean, "o-", color=color, markersize=2.5, label=f"$L={depth}$")
        else:
            ax.plot(mean.x, mean, color=color, linewidth=2.6, alpha=0.3)
        tables.append(frame_table(mean, "angle").assign(updated=updated, num_layers=depth))
    return pd.concat(tables).rename(columns={"x": "sqrtL_beta"})[["updated", "num_layers", "sqrtL_beta", "angle"]]


# --- claims -------------------------------------------------------------------------------------------------------


def formula_holds(data: Data, claim: Claim) -> Measured:
    """Largest relative deviation of the aligned speed from the formula, over layers v ≥ 2 and seeds."""
    (ds,) = data["layers"]
    chosen = ds.sel(updated="branch_out", branch_scale=claim.options["branch_scale"]).isel(layer=slice(1, None))
    deviation = float(np.abs(chosen.aligned_speed / chosen.formula - 1).max())
    return Measured(deviation, deviation <= (claim.tolerance or 0.0))


def mean_output_angle(data: Data, claim: Claim) -> Measured:
    """Mean output angle over depths of at least `options.from_depth`, against the two bounds `published`."""
    (ds,) = data["depth"]
    require(ds, branch_scale=[claim.options["branch_scale"]])
    first = claim.options["from_depth"]
    deep = ds.angle.sel(updated="branch_out", branch_scale=claim.options["branch_scale"])
    deep = deep.sel(num_layers=ds.num_layers >= first)
    if deep.sizes["num_layers"] == 0:
        raise NotTestable(f"needs depths of {first} layers or more")
    low, high = claim.published
    mean = deep.mean().item()
    return Measured(mean, low <= mean <= high)


def curves_collapse(data: Data, claim: Claim) -> Measured:
    """Largest difference between the mean curves of the depths, joined by straight lines in log √L·β."""
    dropped = {int(depth): n for depth, n in claim.options["dropped"].items()}
    curves = collapsed(data, "branch_out", dropped)
    missing = sorted(set(claim.options["num_layers"]) - set(curves))
    if missing:
        raise NotTestable(f"needs depths {', '.join(map(str, missing))}")
    seeds = min(curve.sizes["seed"] for curve in curves.values())
    if seeds < claim.options["seeds"]:
        raise NotTestable(f"needs the mean over {claim.options['seeds']} seeds, not {seeds}")
    low, high = np.log(claim.options["range"])
    at = np.linspace(low, high, 400)
    heights = [np.interp(at, np.log(c.x.values), c.mean("seed").values) for c in curves.values()]
    spread = float(np.ptp(heights, axis=0).max())
    return Measured(spread, spread < claim.published)
