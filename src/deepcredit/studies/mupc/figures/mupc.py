"""Figures of Innocenti, Achour & Buckley (2025), μPC: training predictive coding networks up to 128 layers deep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.core.errors import UserError
from deepcredit.figures.base import Cells, Data, Measured, NotTestable, Role, Where
from deepcredit.figures.cells import pick, values_of
from deepcredit.figures.drawing import family, new_figure
from deepcredit.figures.style import COLUMN, PAGE
from deepcredit.rules.rule import RULES
from deepcredit.studies.mupc.figures.training_curves import (
    ACCURACY,
    CONDITION,
    ITERATIONS,
    Look,
    accuracy_axis,
    batches_per_epoch,
    best_rate,
    condition_axis,
    draw_runs,
    last_measured,
    line_handle,
    scale_note,
    stop_handles,
    symbol,
)

#: learning rates of the activities by activation function; `data` takes the one with the highest mean final accuracy
ActivityRates = Literal["data"] | Mapping[str, float]

Quantity = Literal["test_accuracy", "condition_number"]


@dataclass(frozen=True)
class Rates:
    """Which learning rates of a sweep are shown; all where nothing is said."""

    activity_lr: ActivityRates | None = None
    weight_lr: float | None = None

    def chosen(self, runs: xr.Dataset, act_fn: str | None) -> tuple[xr.Dataset, float | None]:
        """The runs at these rates, and the activity learning rate where there was a choice."""
        if "weight_lr" in runs.dims and self.weight_lr is not None:
            runs = pick([runs], weight_lr=self.weight_lr)
        if "activity_lr" not in runs.dims:
            return runs, None
        rate = best_rate(runs) if self.activity_lr == "data" else self._rate(act_fn)
        return pick([runs], activity_lr=rate), rate

    def _rate(self, act_fn: str | None) -> float:
        rates = self.activity_lr if isinstance(self.activity_lr, Mapping) else {}
        if act_fn is None or act_fn not in rates:
            raise UserError(f"activity_lr={self.activity_lr!r} is not valid; allowed: data, or a rate for {act_fn}")
        return rates[act_fn]


# --- one family of curves a panel ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    """One panel: settings that its runs share, their role where it is not the figure's, epochs as its axis."""

    title: str
    where: Where
    role: Role = ""
    epochs: bool = False


def _per(epochs: bool, runs: xr.Dataset) -> float:
    """Iterations that the horizontal axis counts as one."""
    return batches_per_epoch(runs) if epochs else 1


def families(
    data: Data,
    *,
    role: Role,
    by: str,
    panels: list[Panel],
    quantity: Quantity = "test_accuracy",
    columns: int | None = None,
    xlabel: str = ITERATIONS,
    activity_lr: ActivityRates | None = None,
    weight_lr: float | None = None,
) -> tuple[Figure, pd.DataFrame]:
    """Panels of a quantity against iteration, one curve for every value of `by`.

    Learning rates that are swept but not the family are those of `activity_lr` and `weight_lr`.
    """
    curves = Family(by, quantity, Rates(activity_lr, weight_lr))
    own = [replace(panel, role=panel.role or role) for panel in panels]
    return _families(data, own, curves, columns or len(panels), xlabel, 2.1)


def sweep_by_depth(data: Data, *, role: Role, by: str, act_fns: list[str]) -> tuple[Figure, pd.DataFrame]:
    """As `families`: one row of panels for each activation function, one column a depth."""
    depths = values_of(data[role], "n_hidden")
    panels = [
        Panel(f"{act_fn}, {symbol('n_hidden', depth)}", {"act_fn": act_fn, "n_hidden": depth}, role)
        for act_fn in act_fns
        for depth in depths
    ]
    return _families(data, panels, Family(by), len(depths), ITERATIONS, 1.45)


@dataclass(frozen=True)
class Family:
    """Curves that differ in one setting."""

    by: str
    quantity: Quantity = "test_accuracy"
    rates: Rates = Rates()


def _families(
    data: Data, panels: Sequence[Panel], curves: Family, columns: int, xlabel: str, height: float
) -> tuple[Figure, pd.DataFrame]:
    figure, axes = _grid(len(panels), columns, height)
    members = sorted({v for p in panels for v in values_of(data[p.role], curves.by, **p.where)})
    looks = {v: Look(color, symbol(curves.by, v)) for v, color in family(members).items()}
    tables = [_family(ax, data[panel.role], panel, curves, looks) for ax, panel in zip(axes, panels, strict=True)]
    table = pd.concat(tables, ignore_index=True)
    _outer_labels(axes, columns, xlabel, ACCURACY if curves.quantity == "test_accuracy" else CONDITION)
    handles = [line_handle(look) for look in looks.values()] + stop_handles(table)
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 7 if columns > 1 else 4))
    scale_note(figure, [cell for role in dict.fromkeys(panel.role for panel in panels) for cell in data[role]])
    return figure, table


def _grid(n_panels: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    rows = -(-n_panels // columns)
    figure = new_figure(COLUMN if columns == 1 else PAGE, height * rows + 0.35)
    axes = figure.subplots(rows, columns, sharex=False, sharey=True, squeeze=False).ravel().tolist()
    for spare in axes[n_panels:]:
        spare.remove()
    return figure, axes[:n_panels]


def _family(ax: Axes, cells: Cells, panel: Panel, curves: Family, looks: Mapping[float, Look]) -> pd.DataFrame:
    tables = []
    for value in values_of(cells, curves.by, **panel.where):
        runs = pick(cells, **panel.where, **{curves.by: value})
        runs, rate = curves.rates.chosen(runs, panel.where.get("act_fn"))
        table = draw_runs(ax, runs, looks[value], curves.quantity, _per(panel.epochs, runs))
        tables.append(table.assign(panel=panel.title, **{"activity_lr": rate, curves.by: value}))
    ax.set_title(panel.title)
    (accuracy_axis if curves.quantity == "test_accuracy" else condition_axis)(ax)
    return pd.concat(tables, ignore_index=True)


def _outer_labels(axes: Sequence[Axes], columns: int, xlabel: str, ylabel: str) -> None:
    for i, ax in enumerate(axes):
        if i % columns == 0:
            ax.set_ylabel(ylabel)
        if i + columns >= len(axes):
            ax.set_xlabel(xlabel)


# --- predictive coding beside μPC and backpropagation -------------------------------------------------------------

_PC, _BP = RULES["pc"], RULES["bp"]

#: what is compared, by its name in the legend: predictive coding in two parameterisations, and backpropagation
LOOKS = {
    "μPC": Look("#0072B2", "μPC", _PC.linestyle, "o", 2.0),
    _PC.label: Look(_PC.color, _PC.label, "--", "s", 2.0),
    _BP.label: Look(_BP.color, _BP.label, _BP.linestyle, "", 3.0),
}


def mupc_vs_pc(
    mupc: Cells, pc: Cells, bp: Cells, *, act_fns: tuple[str, str, str], activity_lr: ActivityRates | None = None
) -> tuple[Figure, pd.DataFrame]:
    """Test accuracy of μPC (solid) and PC (dashed) at every depth, and of BP at the greatest (black), by activation.

    The first of the activation functions has the large panel.
    """
    large, *small = act_fns
    rules = {_PC.label: pc, "μPC": mupc, _BP.label: bp}
    figure = new_figure(PAGE, 3.6)
    axes = figure.subplot_mosaic([[large, large, small[0]], [large, large, small[1]]], sharex=True)
    colors = family(sorted({depth for cells in (mupc, pc) for depth in values_of(cells, "n_hidden")}))
    tables = [_rules_panel(axes[act_fn], rules, act_fn, colors, Rates(activity_lr)) for act_fn in act_fns]
    table = pd.concat(tables, ignore_index=True)
    axes[large].set(xlabel=ITERATIONS, ylabel=ACCURACY)
    axes[small[1]].set(xlabel=ITERATIONS)
    figure.legend(handles=_rules_legend(bp, colors, table), loc="outside upper center", ncols=6)
    scale_note(figure, [*mupc, *pc, *bp])
    return figure, table


def _rules_panel(
    ax: Axes, rules: Mapping[str, Cells], act_fn: str, colors: Mapping[int, Any], rates: Rates
) -> pd.DataFrame:
    tables = []
    for rule, cells in rules.items():
        for depth in values_of(cells, "n_hidden", act_fn=act_fn):
            runs, _ = rates.chosen(pick(cells, act_fn=act_fn, n_hidden=depth), act_fn)
            look = LOOKS[rule] if rule == _BP.label else replace(LOOKS[rule], color=colors[depth])
            tables.append(draw_runs(ax, runs, look).assign(rule=rule, act_fn=act_fn, n_hidden=depth))
    ax.set_title(act_fn)
    accuracy_axis(ax)
    return pd.concat(tables)


def _rules_legend(bp: Cells, colors: Mapping[int, Any], table: pd.DataFrame) -> list[Line2D]:
    deepest = ", ".join(symbol("n_hidden", depth) for depth in values_of(bp, "n_hidden"))
    rules = [replace(LOOKS[rule], color="0.4") for rule in ("μPC", _PC.label)]
    black = replace(LOOKS[_BP.label], label=f"{_BP.label}, {deepest}")
    depths = [Look(color, symbol("n_hidden", depth), marker="") for depth, color in colors.items()]
    return [*map(line_handle, [*depths, *rules, black]), *stop_handles(table)]


@dataclass(frozen=True)
class RulesPanel:
    """One panel: settings that its runs share, the role of every rule, epochs as its axis."""

    title: str
    where: Where
    roles: Mapping[str, Role]
    epochs: bool = False


def rules_at_depth(data: Data, *, panels: list[RulesPanel]) -> tuple[Figure, pd.DataFrame]:
    """BP, PC and μPC on one deep network, one panel a data set, against iterations or, with `epochs`, epochs."""
    figure, axes = _grid(len(panels), len(panels), 2.3)
    tables = []
    for ax, panel in zip(axes, panels, strict=True):
        for rule, role in panel.roles.items():
            runs, _ = Rates().chosen(pick(data[role], **panel.where), None)
            drawn = draw_runs(ax, runs, LOOKS[rule], per=_per(panel.epochs, runs))
            tables.append(drawn.assign(rule=rule, panel=panel.title))
        ax.set(title=panel.title, xlabel="epoch" if panel.epochs else ITERATIONS)
        accuracy_axis(ax)
    axes[0].set_ylabel(ACCURACY)
    table = pd.concat(tables, ignore_index=True)
    handles = [line_handle(LOOKS[rule]) for rule in panels[0].roles] + stop_handles(table)
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    scale_note(figure, [cell for cells in data.values() for cell in cells])
    return figure, table


# --- claims -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Runs(Rates):
    """The runs that a claim is about: their settings and rates, and the training below which they decide nothing."""

    iterations: int
    where: Where = field(default_factory=dict)

    def among(self, cells: Cells, **where: Any) -> xr.Dataset:
        """Those among some cells that are as `where` says, too.

        Raises `NotTestable` where they are not on the grid, or were planned for fewer than `iterations` steps.
        """
        wanted = {**self.where, **where}
        runs, _ = self.chosen(pick(cells, **wanted), wanted.get("act_fn"))
        if int(runs.test_step.max()) < self.iterations:
            raise NotTestable(f"needs {self.iterations} training iterations, this scale has fewer")
        return runs

    def accuracy(self, cells: Cells, **where: Any) -> xr.DataArray:
        """Test accuracy in % after `iterations`, [seed]; NaN where a run stopped before."""
        runs = self.among(cells, **where)
        if self.iterations not in runs.test_step.values:
            raise NotTestable(f"needs a test after {self.iterations} iterations, not on this scale's grid")
        return runs.test_accuracy.sel(test_step=self.iterations, drop=True)

    def by_depth(self, cells: Cells, n_hidden: Sequence[int]) -> dict[int, float]:
        """Mean accuracy over seeds at every depth; NaN where a run stopped before."""
        return {depth: float(self.accuracy(cells, n_hidden=depth).mean("seed", skipna=False)) for depth in n_hidden}


def accurate_at_every_depth(data: Data, *, role: Role, runs: Runs, n_hidden: list[int], published: float) -> Measured:
    """Mean test accuracy at the depths `n_hidden`, each at least `published`."""
    found = runs.by_depth(data[role], n_hidden)
    return Measured(found, all(value >= published for value in found.values()))


def spread_over_depth(data: Data, *, role: Role, runs: Runs, n_hidden: list[int], published: float) -> Measured:
    """Greatest less smallest mean test accuracy among the depths `n_hidden`, against `published` points."""
    spread = float(np.ptp([*runs.by_depth(data[role], n_hidden).values()]))
    return Measured(spread, spread < published)


def reference_accuracy(
    data: Data, *, role: Role, runs: Runs, seed: list[int], published: float, tolerance: float
) -> Measured:
    """Test accuracy after the runs' `iterations`, mean over those of the seeds that ran, against `published`."""
    accuracy = runs.accuracy(data[role])
    ran = [one for one in seed if one in accuracy.seed.values]
    if not ran:
        raise NotTestable(f"needs seed = {seed}, not on this scale's grid")
    found = float(accuracy.sel(seed=ran).mean("seed", skipna=False))
    return Measured(found, abs(found - published) <= tolerance)


def wider_is_better(
    data: Data, *, role: Role, runs: Runs, quantity: Literal["accuracy", "loss"], batches: int = 1
) -> Measured:
    """What each width reaches, mean over seeds: the last test accuracy rises, or the last training loss falls.

    The training loss is the mean over the last `batches` batches.
    """
    widths = values_of(data[role], "width", **runs.where)
    if len(widths) < 2:
        raise NotTestable("needs networks of two widths or more")
    of_width = {n: runs.among(data[role], width=n) for n in widths}
    if quantity == "accuracy":
        reached = {n: float(r.test_accuracy.isel(test_step=-1).mean("seed", skipna=False)) for n, r in of_width.items()}
        return Measured(reached, bool((np.diff([*reached.values()]) > 0).all()))
    last = slice(-batches, None)
    reached = {n: float(r.train_loss.isel(step=last).mean(skipna=False)) for n, r in of_width.items()}
    return Measured(reached, bool((np.diff([*reached.values()]) < 0).all()))


def mupc_above_pc(mupc: Cells, pc: Cells, *, runs: Runs) -> Measured:
    """Smallest lead of μPC over PC, in points of test accuracy at the end, over the depths that both have.

    A run that stopped counts with the accuracy that it measured last; one that diverged before its first test has
    none, and is listed instead.
    """
    depths = values_of(mupc, "n_hidden", **runs.where)
    leads = {depth: _final(runs, mupc, depth) - _final(runs, pc, depth) for depth in depths}
    measured = {depth: lead for depth, lead in leads.items() if not np.isnan(lead)}
    if not measured:
        raise NotTestable("PC measured no test accuracy at any depth of this scale's grid")
    least = min(measured, key=lambda depth: measured[depth])
    value: dict[str, Any] = {"smallest lead in points": measured[least], "at H": least}
    if silent := sorted(set(leads) - set(measured)):
        value["without a test accuracy of PC, which diverged, at H"] = silent
    return Measured(value, measured[least] > 0)


def _final(runs: Runs, cells: Cells, depth: int) -> float:
    """The accuracy measured last, mean over seeds; NaN where a seed measured none."""
    accuracy = runs.among(cells, n_hidden=depth).test_accuracy
    return float(last_measured(accuracy, "test_step").mean("seed", skipna=False))


def pc_at_chance(
    data: Data, *, role: Role, runs: Runs, from_depth: int, published: float, tolerance: float
) -> Measured:
    """Last measured accuracy of PC at every depth of at least `from_depth`, within `tolerance` of chance.

    A run that diverged before its first test has no accuracy; it counts as one that does not learn.
    """
    depths = [h for h in values_of(data[role], "n_hidden", **runs.where) if h >= from_depth]
    if not depths:
        raise NotTestable(f"needs n_hidden of at least {from_depth}, not on this scale's grid")
    found, at_chance = {}, []
    for depth in depths:
        deep = runs.among(data[role], n_hidden=depth)
        last = last_measured(deep.test_accuracy, "test_step")
        diverged = deep.stop_reason.astype(str) == "diverged"
        at_chance.append(bool((diverged | (np.abs(last - published) <= tolerance)).all()))
        found[f"H = {depth}"] = {"last accuracies": last.values, "seeds that diverged": int(diverged.sum())}
    return Measured(found, all(at_chance))


def mupc_near_bp(data: Data, *, roles: Mapping[str, Role], runs: Runs, n_hidden: int, published: float) -> Measured:
    """Mean accuracies at the end of the rules of `roles`, at most `published` points apart."""
    means = {}
    for rule, role in roles.items():
        accuracy = runs.among(data[role], n_hidden=n_hidden).test_accuracy
        means[rule] = float(accuracy.isel(test_step=-1).mean("seed", skipna=False))
    return Measured(means, abs(float(np.ptp([*means.values()]))) <= published)
