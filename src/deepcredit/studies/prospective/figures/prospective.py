"""Figures of Song et al. 2024: target alignment of one learning step, and interference between two outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepcredit.figures.base import EVERYTHING, Cells, Data, Measured, NotTestable, Role, Where
from deepcredit.figures.cells import at, combine, only
from deepcredit.figures.drawing import new_figure
from deepcredit.figures.numbers import number
from deepcredit.figures.style import COLUMN, PAGE, SEQUENCE
from deepcredit.figures.tables import told_apart
from deepcredit.rules.rule import RULES, labels

#: where curves coincide, the thin dark one shows on top of the broad one; for any other rule, the last
EMPHASIS: dict[str, dict[str, Any]] = {
    "pc": {"marker": "o", "markersize": 5.5, "linewidth": 1.9, "zorder": 3},
    "bp": {"marker": "s", "markersize": 3, "linewidth": 1, "zorder": 4},
    "tp": {"marker": "^", "markersize": 4, "linewidth": 1, "zorder": 5},
    "": {"marker": "D", "markersize": 3, "linewidth": 1, "zorder": 6},
}


def line(rule: str) -> dict[str, Any]:
    """How a rule's curve is drawn and called."""
    look = RULES[rule]
    return {"color": look.color, "label": look.label} | EMPHASIS.get(rule, EMPHASIS[""])


def alignment(cells: Cells, **where: Any) -> xr.DataArray:
    """Target alignment over depth, rule, seed and whatever `where` leaves; length-1 axes are dropped."""
    chosen = at(combine(cells), **where).target_alignment
    settled = [name for name in ("act_fn", "weight_lr") if name in chosen.dims and chosen.sizes[name] == 1]
    return chosen.squeeze(settled, drop=True)


# --- alignment against depth --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    """The roles whose rules a panel shows, and the members of them."""

    title: str
    roles: list[Role]
    where: Where = field(default_factory=dict)


def alignment_vs_depth(
    data: Data, *, panels: list[Panel], ylim: tuple[float, float], legend: str
) -> tuple[Figure, pd.DataFrame]:
    """Mean, standard error and every seed, one curve a rule; `legend` is the place of the first panel's legend."""
    figure = new_figure(COLUMN, 2.5) if len(panels) == 1 else new_figure(PAGE, 2.3)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    rows = [_alignment_panel(ax, data, panel, ylim) for ax, panel in zip(axes, panels, strict=True)]
    axes[0].set_ylabel("target alignment")
    axes[0].legend(loc=legend)
    table = pd.concat(rows, ignore_index=True)
    return figure, table.drop(columns="panel") if len(panels) == 1 else table


def _alignment_panel(ax: Axes, data: Data, panel: Panel, ylim: tuple[float, float]) -> pd.DataFrame:
    found = [alignment(data[role], **panel.where) for role in panel.roles]
    curves = [values.sel(rule=rule) for values in found for rule in values.rule.values]
    ax.set(title=panel.title, xlabel="layers", ylim=ylim, xticks=[1, 5, 10, 15])
    for curve in curves:
        _curve(ax, curve)
    return pd.concat([_rows(curve, panel.title) for curve in curves])


def _curve(ax: Axes, curve: xr.DataArray) -> None:
    """Mean with its standard error; the seeds as dots behind it, those below the axis as arrows that name the value."""
    rule, floor = str(curve.rule.item()), ax.get_ylim()[0]
    color = RULES[rule].color
    for seed in curve.seed.values:
        ax.plot(curve.num_layers, curve.sel(seed=seed), ".", color=color, alpha=0.4, markersize=5, markeredgewidth=0)
    mean, error = mean_and_error(curve)
    ax.errorbar(curve.num_layers, mean, error, elinewidth=1, capsize=2, **line(rule))
    below = curve.where(curve < floor, drop=True).stack(member=("num_layers", "seed")).dropna("member")
    for depth, value in zip(below.num_layers.values, below.values, strict=True):
        ax.annotate(
            f"one seed at {number(value, '.0f')}",
            (depth, floor),
            xytext=(depth + 0.8, floor + 0.06 * (ax.get_ylim()[1] - floor)),
            color=color,
            fontsize="small",
            arrowprops={"arrowstyle": "->", "color": color, "linewidth": 0.7},
        )


def mean_and_error(curve: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over seeds and its standard error; the latter is NaN for a single seed."""
    if curve.sizes["seed"] == 1:
        return curve.mean("seed"), xr.full_like(curve.isel(seed=0, drop=True), np.nan)
    return curve.mean("seed"), curve.std("seed", ddof=1) / curve.sizes["seed"] ** 0.5


def _rows(curve: xr.DataArray, panel: str) -> pd.DataFrame:
    """Every value drawn for one curve: the seeds, the mean, the standard error."""
    mean, error = mean_and_error(curve)
    parts = {"seed": curve, "mean": mean, "standard error": error}
    table = told_apart(parts, "statistic", "target_alignment")
    table = table.assign(panel=panel, rule=RULES[str(curve.rule.item())].label)
    table["seed"] = table["seed"].astype("Int64")
    return table[["panel", "rule", "num_layers", "statistic", "seed", "target_alignment"]]


def alignment_scatter(scatter: Cells, *, shift: float) -> tuple[Figure, pd.DataFrame]:
    """Every seed at every depth, as alignment and as angle in degrees; lines join the means.

    The rules are `shift` layers to the left and right of their depth.
    """
    values = alignment(scatter)
    angle = xr.apply_ufunc(np.degrees, xr.apply_ufunc(np.arccos, values))
    figure = new_figure(PAGE, 2.6)
    left, right = figure.subplots(1, 2)
    _scatter(left, values, shift)
    _scatter(right, angle, shift)
    left.set(ylabel="target alignment")
    right.set(ylabel="angle to the target (degrees)", yticks=range(0, 106, 15))
    left.legend(loc="lower left")
    both = xr.Dataset({"target_alignment": values, "angle_degrees": angle})
    tables = [both.to_dataframe().assign(statistic="seed"), both.mean("seed").to_dataframe().assign(statistic="mean")]
    table = pd.concat([table.reset_index() for table in tables]).astype({"seed": "Int64"})
    table["rule"] = labels(table["rule"])
    return figure, table[["rule", "num_layers", "statistic", "seed", "target_alignment", "angle_degrees"]]


def _scatter(ax: Axes, values: xr.DataArray, shift: float) -> None:
    """Dots of the two rules side by side, so that neither covers the other."""
    for rule, offset in {"pc": -shift, "bp": shift}.items():
        chosen = values.sel(rule=rule)
        color, depth = RULES[rule].color, chosen.num_layers + offset
        for seed in chosen.seed.values:
            ax.plot(depth, chosen.sel(seed=seed), ".", color=color, alpha=0.35, markersize=4, markeredgewidth=0)
        ax.plot(depth, chosen.mean("seed"), **(line(rule) | {"linewidth": 1, "markersize": 3}))
    ax.set(xlabel="layers", xticks=[1, 5, 10, 15, 20, 25])


# --- interference -------------------------------------------------------------------------------------------------


def interference(interference: Cells, *, levels: list[float]) -> tuple[Figure, pd.DataFrame]:
    """The two outputs before every learning step, coloured by step, over curves of the loss at `levels`."""
    ds = only(interference)
    figure = new_figure(PAGE, 2.7)
    axes = figure.subplots(1, ds.sizes["rule"], sharex=True, sharey=True)
    for ax, rule in zip(axes, ds.rule.values, strict=True):
        points = _trajectory(ax, ds, str(rule), levels)
    axes[0].set_ylabel("output 2")
    figure.colorbar(points, ax=list(axes), label="learning step", pad=0.02)
    axes[0].legend(loc="lower left")
    table = ds.prediction.to_dataframe().reset_index()
    return figure, table.assign(rule=labels(table["rule"]))


def _trajectory(ax: Axes, ds: xr.Dataset, rule: str, levels: list[float]) -> Any:
    ax.contour(ds.output_1, ds.output_2, ds.loss, levels=levels, colors="0.8", linewidths=0.7, zorder=0)
    first, second = ds.prediction.sel(rule=rule).transpose("output", "step").values
    ax.plot(first, second, color=RULES[rule].color, linewidth=1, zorder=1)
    points = ax.scatter(first, second, c=ds.step, s=16, cmap=SEQUENCE, edgecolors="white", linewidths=0.4, zorder=2)
    ax.plot(*ds.target.values, "*", color="#CC79A7", markersize=11, zorder=3, linestyle="none", label="target")
    ax.plot(first[0], second[0], "D", markersize=7, markerfacecolor="none", markeredgecolor="0.3", label="start", ls="")
    ax.set(title=RULES[rule].label, xlabel="output 1", xlim=(-0.15, 1.15), ylim=(0.65, 1.15))
    return points


# --- claims -------------------------------------------------------------------------------------------------------


def pc_above_bp(data: Data, *, role: Role, where: Where = EVERYTHING) -> Measured:
    """Smallest difference of the means, PC − BP, over depths of at least 2."""
    mean = alignment(data[role], **where).mean("seed")
    deep = mean.sel(num_layers=mean.num_layers >= 2)
    gap = deep.sel(rule="pc") - deep.sel(rule="bp")
    smallest = gap.isel(num_layers=int(gap.argmin("num_layers")))
    value = {"smallest gap": smallest.item(), "at layers": int(smallest.num_layers)}
    return Measured(value, bool((gap > 0).all()))


def bp_falls_pc_stays(data: Data, *, role: Role, num_layers: int, published: Mapping[str, float]) -> Measured:
    """Means at one depth: BP below its published bound, PC above its own."""
    mean = alignment(data[role], num_layers=num_layers).mean("seed")
    bp, pc = labels(["bp", "pc"])
    found = {bp: mean.sel(rule="bp").item(), pc: mean.sel(rule="pc").item()}
    return Measured(found, found[bp] < published[bp] and found[pc] > published[pc])


def published_means(
    data: Data,
    *,
    role: Role,
    rule: str,
    num_layers: list[int],
    published: list[float],
    tolerance: float,
    where: Where = EVERYTHING,
) -> Measured:
    """Means of one rule at the depths `num_layers`, each within `tolerance` of `published`."""
    mean = alignment(data[role], num_layers=num_layers, **where).mean("seed").sel(rule=rule)
    deviation = np.abs(mean.values - np.array(published))
    return Measured(mean.values, bool((deviation <= tolerance).all()))


def means_at_least(
    data: Data, *, role: Role, published: float, tolerance: float = 0.0, where: Where = EVERYTHING
) -> Measured:
    """The smallest mean over seeds among all rules and depths, against `published` less its `tolerance`."""
    lowest = _lowest(alignment(data[role], **where).mean("seed"))
    return Measured(lowest, lowest["smallest"] >= published - tolerance)


def members_at_least(data: Data, *, role: Role, published: float, where: Where = EVERYTHING) -> Measured:
    """The smallest alignment among all members of all rules and depths, against `published`."""
    lowest = _lowest(alignment(data[role], **where))
    return Measured(lowest, lowest["smallest"] >= published)


def _lowest(values: xr.DataArray) -> dict[str, Any]:
    """The smallest value and its coordinates."""
    flat = values.stack(member=values.dims)
    worst = flat.isel(member=int(np.argmin(flat.values)))
    place = {f"at {name}": worst[name].item() for name in values.dims}
    return {"smallest": worst.item()} | place | {"at rule": RULES[place["at rule"]].label}


def tp_exact_where_conditioned(data: Data, *, role: Role, published: float, tolerance: float = 0.0) -> Measured:
    """Smallest alignment among members whose pseudo-inverses pass errors small enough: overshoot below 1."""
    ds = combine(data[role]).squeeze(["act_fn", "weight_lr"], drop=True).sel(rule="tp")
    deep = ds.sel(num_layers=ds.num_layers >= 2)
    conditioned = deep.target_alignment.where(deep.overshoot < 1)
    if conditioned.notnull().sum() == 0:
        raise NotTestable("no member with a hidden layer is well conditioned")
    smallest = conditioned.min().item()
    value = {
        "smallest alignment": smallest,
        "well conditioned": int(conditioned.notnull().sum()),
        "of members": deep.target_alignment.size,
    }
    return Measured(value, smallest >= published - tolerance)


def second_output_dips(interference: Cells, *, published: Mapping[str, float], tolerance: float) -> Measured:
    """Lowest value of the output that was right already, per rule."""
    ds = only(interference)
    second = ds.prediction.sel(output=2)
    if (second.argmin("step") == ds.sizes["step"] - 1).any():
        raise NotTestable("needs more learning steps: the output is still falling at the last one")
    minima = (second.sel(rule=rule).min().item() for rule in ds.rule.values)
    lowest = dict(zip(labels(ds.rule.values), minima, strict=True))
    return Measured(lowest, all(abs(lowest[rule] - bound) <= tolerance for rule, bound in published.items()))
