"""Figures of Innocenti, Achour & Buckley (2025), μPC: training predictive coding networks up to 128 layers deep."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.config.figure import Claim
from deepcredit.figures.base import Data, Measured, NotTestable
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
    family,
    last_measured,
    line_handle,
    pick,
    scale_note,
    stop_handles,
    symbol,
    values_of,
)

Options = Mapping[str, Any]

# --- one family of curves a panel ---------------------------------------------------------------------------------


def families(data: Data, options: Options) -> tuple[Figure, pd.DataFrame]:
    """Panels of test accuracy (or `options.quantity`) against iteration, one curve for every value of `options.by`.

    A panel has a `title` and the settings `where` that its runs share; `role` may differ from `options.role`. Learning
    rates of the activities that are swept but not the family are those of `options.activity_lr`, by activation
    function; `data` in their place takes the best of the sweep.
    """
    panels = options["panels"]
    columns = options.get("columns", len(panels))
    figure, axes = _grid(len(panels), columns, options.get("height", 2.1))
    members = sorted({v for p in panels for v in values_of(data[_role(p, options)], options["by"], **p["where"])})
    looks = {v: Look(color, symbol(options["by"], v)) for v, color in family(members).items()}
    tables = [_family(ax, data, panel, options, looks) for ax, panel in zip(axes, panels, strict=True)]
    table = pd.concat(tables, ignore_index=True)
    _outer_labels(axes, columns, options)
    handles = [line_handle(look) for look in looks.values()] + stop_handles(table)
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 7 if columns > 1 else 4))
    scale_note(figure, [cell for role in {_role(p, options): None for p in panels} for cell in data[role]])
    return figure, table


def _role(panel: Options, options: Options) -> str:
    return panel.get("role", options.get("role", ""))


def _grid(n_panels: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    rows = -(-n_panels // columns)
    figure = Figure(figsize=(COLUMN if columns == 1 else PAGE, height * rows + 0.35))
    axes = figure.subplots(rows, columns, sharex=False, sharey=True, squeeze=False).ravel().tolist()
    for spare in axes[n_panels:]:
        spare.remove()
    return figure, axes[:n_panels]


def _family(ax: Axes, data: Data, panel: Options, options: Options, looks: Mapping[float, Look]) -> pd.DataFrame:
    cells, by, quantity = data[_role(panel, options)], options["by"], options.get("quantity", "test_accuracy")
    tables = []
    for value in values_of(cells, by, **panel["where"]):
        runs, rate = chosen(pick(cells, **panel["where"], **{by: value}), panel["where"], options)
        table = draw_runs(ax, runs, looks[value], quantity, _per(panel, runs))
        tables.append(table.assign(panel=panel["title"], **{"activity_lr": rate, by: value}))
    ax.set_title(panel["title"])
    if quantity == "test_accuracy":
        accuracy_axis(ax)
    else:
        condition_axis(ax)
    return pd.concat(tables, ignore_index=True)


def _per(panel: Options, runs: xr.Dataset) -> float:
    """Iterations that the horizontal axis counts as one."""
    return batches_per_epoch(runs) if panel.get("epochs") else 1


def sweep_by_depth(data: Data, options: Options) -> tuple[Figure, pd.DataFrame]:
    """`families` with one row of panels for each of `options.act_fns`, one column a depth."""
    cells = data[options["role"]]
    depths = values_of(cells, "n_hidden")
    panels = [
        {"title": f"{act_fn}, {symbol('n_hidden', depth)}", "where": {"act_fn": act_fn, "n_hidden": depth}}
        for act_fn in options["act_fns"]
        for depth in depths
    ]
    return families(data, {**options, "panels": panels, "columns": len(depths), "height": 1.45})


def chosen(runs: xr.Dataset, where: Options, options: Options) -> tuple[xr.Dataset, float | None]:
    """The runs at the rates that `options` chooses, and the activity learning rate where there was a choice."""
    if "weight_lr" in runs.dims and "weight_lr" in options:
        runs = pick([runs], weight_lr=options["weight_lr"])
    if "activity_lr" not in runs.dims:
        return runs, None
    wanted = options["activity_lr"]
    rate = best_rate(runs) if wanted == "data" else wanted[where["act_fn"]]
    return pick([runs], activity_lr=rate), rate


def _outer_labels(axes: Sequence[Axes], columns: int, options: Options) -> None:
    ylabel = ACCURACY if options.get("quantity", "test_accuracy") == "test_accuracy" else CONDITION
    for i, ax in enumerate(axes):
        if i % columns == 0:
            ax.set_ylabel(ylabel)
        if i + columns >= len(axes):
            ax.set_xlabel(options.get("xlabel", ITERATIONS))


# --- predictive coding beside μPC and backpropagation -------------------------------------------------------------

_PC, _BP = RULES["pc"], RULES["bp"]

#: what is compared, by its name in the legend: predictive coding in two parameterisations, and backpropagation
LOOKS = {
    "μPC": Look("#0072B2", "μPC", _PC.linestyle, "o", 2.0),
    _PC.label: Look(_PC.color, _PC.label, "--", "s", 2.0),
    _BP.label: Look(_BP.color, _BP.label, _BP.linestyle, "", 3.0),
}


def mupc_vs_pc(data: Data, options: Options) -> tuple[Figure, pd.DataFrame]:
    """Test accuracy of μPC (solid) and PC (dashed) at every depth, and of BP at the greatest (black), by activation.

    The first activation function of `options.act_fns` has the large panel.
    """
    large, *small = options["act_fns"]
    figure = Figure(figsize=(PAGE, 3.6))
    axes = figure.subplot_mosaic([[large, large, small[0]], [large, large, small[1]]], sharex=True)
    depths = sorted({depth for role in ("mupc", "pc") for depth in values_of(data[role], "n_hidden")})
    colors = family(depths)
    tables = [_rules_panel(axes[act_fn], data, act_fn, colors, options) for act_fn in options["act_fns"]]
    table = pd.concat(tables, ignore_index=True)
    axes[large].set(xlabel=ITERATIONS, ylabel=ACCURACY)
    axes[small[1]].set(xlabel=ITERATIONS)
    figure.legend(handles=_rules_legend(data, colors, table), loc="outside upper center", ncols=6)
    scale_note(figure, [cell for cells in data.values() for cell in cells])
    return figure, table


def _rules_panel(ax: Axes, data: Data, act_fn: str, colors: Mapping[int, Any], options: Options) -> pd.DataFrame:
    tables = []
    for rule, role in ((_PC.label, "pc"), ("μPC", "mupc"), (_BP.label, "bp")):
        for depth in values_of(data[role], "n_hidden", act_fn=act_fn):
            runs, _ = chosen(pick(data[role], act_fn=act_fn, n_hidden=depth), {"act_fn": act_fn}, options)
            look = LOOKS[rule] if role == "bp" else replace(LOOKS[rule], color=colors[depth])
            tables.append(draw_runs(ax, runs, look).assign(rule=rule, act_fn=act_fn, n_hidden=depth))
    ax.set_title(act_fn)
    accuracy_axis(ax)
    return pd.concat(tables)


def _rules_legend(data: Data, colors: Mapping[int, Any], table: pd.DataFrame) -> list[Line2D]:
    deepest = values_of(data["bp"], "n_hidden")
    rules = [replace(LOOKS[rule], color="0.4") for rule in ("μPC", _PC.label)]
    bp = replace(LOOKS[_BP.label], label=f"{_BP.label}, " + ", ".join(symbol("n_hidden", depth) for depth in deepest))
    depths = [Look(color, symbol("n_hidden", depth), marker="") for depth, color in colors.items()]
    return [*map(line_handle, [*depths, *rules, bp]), *stop_handles(table)]


def rules_at_depth(data: Data, options: Options) -> tuple[Figure, pd.DataFrame]:
    """BP, PC and μPC on one deep network, one panel a data set, against iterations or, with `epochs`, epochs."""
    panels = options["panels"]
    figure, axes = _grid(len(panels), len(panels), 2.3)
    tables = []
    for ax, panel in zip(axes, panels, strict=True):
        for rule, role in panel["roles"].items():
            runs, _ = chosen(pick(data[role], **panel["where"]), panel["where"], options)
            drawn = draw_runs(ax, runs, LOOKS[rule], per=_per(panel, runs))
            tables.append(drawn.assign(rule=rule, panel=panel["title"]))
        ax.set(title=panel["title"], xlabel="epoch" if panel.get("epochs") else ITERATIONS)
        accuracy_axis(ax)
    axes[0].set_ylabel(ACCURACY)
    table = pd.concat(tables, ignore_index=True)
    handles = [line_handle(LOOKS[rule]) for rule in panels[0]["roles"]] + stop_handles(table)
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    scale_note(figure, [cell for cells in data.values() for cell in cells])
    return figure, table


# --- claims -------------------------------------------------------------------------------------------------------


def runs_of(data: Data, claim: Claim, role: str, **where: Any) -> xr.Dataset:
    """The runs of a role that are as `where` and the claim's `act_fn` and `width` say, at the claim's rates.

    Raises `NotTestable` where they are not on the grid, or were planned for fewer than `options.iterations` steps.
    """
    options = claim.options
    wanted = {name: options[name] for name in ("act_fn", "width", "dataset") if name in options} | where
    runs, _ = chosen(pick(data[role], **wanted), wanted, options)
    if int(runs.test_step.max()) < options["iterations"]:
        raise NotTestable(f"needs {options['iterations']} training iterations, this scale has fewer")
    return runs


def accuracy_after(data: Data, claim: Claim, **where: Any) -> xr.DataArray:
    """Test accuracy in % after the claim's `iterations`, [seed]; NaN where a run stopped before."""
    runs = runs_of(data, claim, claim.options["role"], **where)
    if claim.options["iterations"] not in runs.test_step.values:
        raise NotTestable(f"needs a test after {claim.options['iterations']} iterations, not on this scale's grid")
    return runs.test_accuracy.sel(test_step=claim.options["iterations"], drop=True)


def _by_depth(data: Data, claim: Claim) -> dict[int, float]:
    """Mean accuracy over seeds at every depth of the claim; NaN where a run stopped before."""
    depths = claim.options["n_hidden"]
    return {depth: float(accuracy_after(data, claim, n_hidden=depth).mean("seed", skipna=False)) for depth in depths}


def accurate_at_every_depth(data: Data, claim: Claim) -> Measured:
    """Mean test accuracy at the depths `options.n_hidden`, each at least `published`."""
    found = _by_depth(data, claim)
    return Measured(found, all(value >= claim.published for value in found.values()))


def spread_over_depth(data: Data, claim: Claim) -> Measured:
    """Greatest less smallest mean test accuracy among the depths `options.n_hidden`, against `published` points."""
    spread = float(np.ptp([*_by_depth(data, claim).values()]))
    return Measured(spread, spread < claim.published)


def reference_accuracy(data: Data, claim: Claim) -> Measured:
    """Test accuracy after `options.iterations`, mean over those of `options.seed` that ran, against `published`."""
    accuracy = accuracy_after(data, claim)
    seeds = [seed for seed in claim.options["seed"] if seed in accuracy.seed.values]
    if not seeds:
        raise NotTestable(f"needs seed = {claim.options['seed']}, not on this scale's grid")
    found = float(accuracy.sel(seed=seeds).mean("seed", skipna=False))
    return Measured(found, abs(found - claim.published) <= claim.tolerance)


def wider_is_better(data: Data, claim: Claim) -> Measured:
    """What each width reaches, mean over seeds: the last test accuracy rises, or the last training loss falls.

    The training loss is the mean over the last `options.batches` batches.
    """
    widths = values_of(data[claim.options["role"]], "width", act_fn=claim.options["act_fn"])
    if len(widths) < 2:
        raise NotTestable("needs networks of two widths or more")
    reached = {n: _reached(runs_of(data, claim, claim.options["role"], width=n), claim) for n in widths}
    steps = np.diff([*reached.values()])
    return Measured(reached, bool((steps > 0).all() if claim.options["quantity"] == "accuracy" else (steps < 0).all()))


def _reached(runs: xr.Dataset, claim: Claim) -> float:
    if claim.options["quantity"] == "accuracy":
        return float(runs.test_accuracy.isel(test_step=-1).mean("seed", skipna=False))
    return float(runs.train_loss.isel(step=slice(-claim.options["batches"], None)).mean(skipna=False))


def mupc_above_pc(data: Data, claim: Claim) -> Measured:
    """Smallest lead of μPC over PC, in points of test accuracy at the end, over the depths that both have.

    A run that stopped counts with the accuracy that it measured last; one that diverged before its first test has
    none, and is listed instead.
    """
    leads = {}
    for depth in values_of(data["mupc"], "n_hidden", act_fn=claim.options["act_fn"]):
        runs = [runs_of(data, claim, role, n_hidden=depth) for role in ("mupc", "pc")]
        mupc, pc = (float(last_measured(r.test_accuracy, "test_step").mean("seed", skipna=False)) for r in runs)
        leads[depth] = mupc - pc
    measured = {depth: lead for depth, lead in leads.items() if not np.isnan(lead)}
    if not measured:
        raise NotTestable("PC measured no test accuracy at any depth of this scale's grid")
    least = min(measured, key=lambda depth: measured[depth])
    value = {"smallest lead in points": measured[least], "at H": least}
    if silent := sorted(set(leads) - set(measured)):
        value["without a test accuracy of PC, which diverged, at H"] = silent
    return Measured(value, measured[least] > 0)


def pc_at_chance(data: Data, claim: Claim) -> Measured:
    """Last measured accuracy of PC at every depth of at least `options.from_depth`, within `tolerance` of chance.

    A run that diverged before its first test has no accuracy; it counts as one that does not learn.
    """
    role, first = claim.options["role"], claim.options["from_depth"]
    where = {name: claim.options[name] for name in ("act_fn", "dataset") if name in claim.options}
    depths = [h for h in values_of(data[role], "n_hidden", **where) if h >= first]
    if not depths:
        raise NotTestable(f"needs n_hidden of at least {first}, not on this scale's grid")
    found, at_chance = {}, []
    for depth in depths:
        runs = runs_of(data, claim, role, n_hidden=depth)
        last = last_measured(runs.test_accuracy, "test_step")
        diverged = runs.stop_reason.astype(str) == "diverged"
        at_chance.append(bool((diverged | (np.abs(last - claim.published) <= claim.tolerance)).all()))
        found[f"H = {depth}"] = {"last accuracies": last.values, "seeds that diverged": int(diverged.sum())}
    return Measured(found, all(at_chance))


def mupc_near_bp(data: Data, claim: Claim) -> Measured:
    """Mean accuracies at the end of the rules of `options.roles`, at most `published` points apart."""
    means = {}
    for rule, role in claim.options["roles"].items():
        runs = runs_of(data, claim, role, n_hidden=claim.options["n_hidden"])
        means[rule] = float(runs.test_accuracy.isel(test_step=-1).mean("seed", skipna=False))
    return Measured(means, abs(float(np.ptp([*means.values()]))) <= claim.published)
