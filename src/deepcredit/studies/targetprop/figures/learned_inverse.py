"""Difference target propagation with learned inverses beside backpropagation, on MNIST and on the ring."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.figures.base import Cells, Measured, NotTestable
from deepcredit.figures.cells import having, only, values_of
from deepcredit.figures.drawing import family, new_figure
from deepcredit.figures.numbers import number, power_of_ten
from deepcredit.figures.style import PAGE
from deepcredit.figures.tables import told_apart
from deepcredit.rules.rule import RULES, labels
from deepcredit.studies.targetprop.figures.lines import GREY, rule_line

#: line of the settings that are not the source's
OTHER_STYLE: Any = "--"
DATASET_NAMES = {"mnist": "MNIST", "ring": "ring"}


def tp_learned_inverse(training: Cells, chance: Cells, *, source_weight_std: float) -> tuple[Figure, pd.DataFrame]:
    """Loss, accuracy, layer losses and inverse losses over the iterations, one row of panels a data set."""
    seeds = only(chance)
    figure = new_figure(PAGE, 4.2)
    axes = figure.subplots(len(DATASET_NAMES), 4, sharex=True)
    for (dataset, name), row in zip(DATASET_NAMES.items(), axes, strict=True):
        _dataset_panels(row, having(training, dataset=dataset), source_weight_std)
        row[0].set_ylabel(name, fontsize="large")
        if dataset == seeds.dataset.item():
            _single_seeds(row, seeds)
    for ax, title in zip(axes[0], ("loss", "accuracy (%)", r"layer losses $L_l$", "inverse losses"), strict=True):
        ax.set_title(title)
    for ax in axes[1]:
        ax.set_xlabel("iteration")
    _iterations(axes[0, 0], max(int(cell.step[-1]) for cell in training))
    figure.legend(handles=_training_legend(training, seeds, source_weight_std), loc="outside lower center", ncols=4)
    tables = [_training_rows(cell).assign(role="training") for cell in training]
    return figure, pd.concat([*tables, _training_rows(seeds).assign(role="chance")], ignore_index=True)


def _iterations(ax: Axes, last: int) -> None:
    """Logarithmic above 100, with 0 on the axis."""
    ax.set_xscale("symlog", linthresh=100, linscale=0.4)
    ticks = [0, *(10**n for n in range(2, 6) if 10**n <= last)]
    ax.set_xticks(ticks, ["0", *(f"${power_of_ten(tick)}$" for tick in ticks[1:])])
    ax.set_xlim(0, last)


def _single_seeds(axes: Sequence[Axes], cell: xr.Dataset) -> None:
    """Loss and accuracy of every seed of the experiment that asks when backpropagation leaves chance."""
    for ax, variable in zip(axes[:2], ("loss", "accuracy"), strict=True):
        for seed in cell.seed.values:
            ax.plot(cell.step, cell[variable].sel(seed=seed), color=GREY, linewidth=0.6, zorder=1)


def _dataset_panels(axes: Sequence[Axes], cells: Cells, source: float) -> None:
    loss, accuracy, layers, inverses = axes
    for cell in cells:
        style = _line_style(cell, source)
        for ax, variable in ((loss, "loss"), (accuracy, "accuracy")):
            _training_curve(ax, cell[variable], {**rule_line(cell.rule.item()), "linestyle": style})
        _layer_curves(layers, cell.layer_loss, cell, style)
        _layer_curves(inverses, cell.inverse_loss.rename(inverse_layer="layer"), cell, style)
    _reference_lines(accuracy, cells[0])
    loss.set_ylim(bottom=0)
    for ax in (layers, inverses):
        ax.set_yscale("log")


def _layer_curves(ax: Axes, losses: xr.DataArray, cell: xr.Dataset, style: Any) -> None:
    """One curve a layer, where the rule has such losses."""
    if not losses.notnull().any():
        return
    colors = family(cell.layer.values.tolist())
    for layer in losses.layer.values.tolist():
        drawn = {"color": colors[layer], "linestyle": style, "linewidth": 1.2}
        _training_curve(ax, losses.sel(layer=layer), drawn)


def _training_curve(ax: Axes, curve: xr.DataArray, style: Mapping[str, Any]) -> None:
    """Mean over seeds, a band of one standard deviation where there are several, a cross where training diverged."""
    mean, spread = curve.mean("seed"), curve.std("seed")
    ax.plot(curve.step, mean, **style)
    if curve.sizes["seed"] > 1:
        ax.fill_between(curve.step, mean - spread, mean + spread, color=style["color"], alpha=0.2, linewidth=0)
    measured = mean.dropna("step")
    if measured.size and bool(mean.isnull()[-1]):
        ax.plot(measured.step[-1], measured[-1], "x", color=style["color"], markersize=5, markeredgewidth=1.3)


def _line_style(cell: xr.Dataset, source: float) -> Any:
    """Solid for the source's scale of the weights, dashed for any other."""
    return "-" if cell.weight_std.item() == source else OTHER_STYLE


def _reference_lines(ax: Axes, cell: xr.Dataset) -> None:
    """The accuracy of always naming the largest class, and on many classes that of guessing."""
    majority, chance = cell.majority_accuracy.item(), 100 / cell.n_classes.item()
    is_binary = cell.n_classes.item() == 2
    level, text = (
        (majority, f"majority {number(majority, '.1f')} %")
        if is_binary
        else (chance, f"chance {number(chance, '.0f')} %")
    )
    ax.axhline(level, color=GREY, linestyle=":", linewidth=1, zorder=0)
    ax.annotate(text, (1, level), (-1, -8), xycoords=("axes fraction", "data"), textcoords="offset points",
                ha="right", color="#555555", fontsize="small")  # fmt: skip
    ax.set_ylim(0, 100)


def _training_legend(cells: Cells, seeds: xr.Dataset, source: float) -> list[Line2D]:
    bp, tp = labels(["bp", "tp"])
    rules = [Line2D([], [], label=RULES[rule].label, **rule_line(rule)) for rule in ("bp", "tp")]
    rules += [Line2D([], [], color=GREY, linewidth=0.6, label=f"{bp}, {seeds.sizes['seed']} seeds")]
    diverged = any(bool(np.isfinite(cell.diverged_at).any()) for cell in cells)
    cross = [Line2D([], [], color="black", marker="x", linestyle="none", label="diverged after this")] * diverged
    colors = family(cells[0].layer.values.tolist()).items()
    layers = [Line2D([], [], color=color, linewidth=2, label=f"{tp}, layer {n}") for n, color in colors]
    return [*rules, *_scale_handles(cells, source), *cross, *layers]


def _scale_handles(cells: Cells, source: float) -> list[Line2D]:
    """Line styles of the scales that weights are drawn from, the source's first."""
    others = [std for std in values_of(cells, "weight_std") if std != source]
    scales = [(source, "-", "the source's setting"), *((std, OTHER_STYLE, "a setting that learns") for std in others)]
    return [Line2D([], [], color="black", ls=ls, label=f"std {number(std)}: {text}") for std, ls, text in scales]


def _training_rows(cell: xr.Dataset) -> pd.DataFrame:
    """All curves of a cell, one value a row, without what was not measured."""
    scalars = {name: cell[name].item() for name in ("dataset", "weight_std")} | {"rule": RULES[cell.rule.item()].label}
    parts = {name: cell[name] for name in ("loss", "accuracy", "layer_loss")}
    parts["inverse_loss"] = cell.inverse_loss.rename(inverse_layer="layer")
    measured = told_apart(parts, "variable").dropna(subset="value").assign(**scalars)
    columns = ["role", "dataset", "rule", "weight_std", "variable", "layer", "seed", "step", "value"]
    return measured.reset_index(drop=True).reindex(columns=columns)


# --- claims -------------------------------------------------------------------------------------------------------


def backpropagation_stays_at_chance(chance: Cells, *, until: int, tolerance: float) -> Measured:
    """How far the training-set accuracy of BP is from chance `until` an iteration; the median seed decides.

    Also when each seed leaves chance, that is, when its accuracy is first more than `tolerance` points away from it.
    """
    cell = only(chance)
    if cell.step[-1] < until:
        raise NotTestable(f"needs {until} iterations, this scale has {cell.step[-1].item()}")
    distance = np.abs(cell.accuracy - 100 / cell.n_classes)
    furthest = distance.sel(step=slice(0, until)).max("step")
    away = distance > tolerance
    left = cell.step.where(away).min("step").values
    measured = {
        f"points from chance until {until}, median": float(furthest.median()),
        "seeds that stay": f"{int((furthest <= tolerance).sum())} of {cell.sizes['seed']}",
        "leaves chance at": [int(step) if np.isfinite(step) else None for step in left],
    }
    return Measured(measured, bool(furthest.median() <= tolerance))


def ring_stays_at_majority(training: Cells, *, tolerance: float) -> Measured:
    """The best accuracy on the ring of any rule at any iteration is not above that of naming the larger class."""
    cells = having(training, dataset="ring")
    name = "{}, std {}".format
    best = {name(RULES[c.rule.item()].label, number(c.weight_std.item())): float(c.accuracy.max()) for c in cells}
    return Measured(best, max(best.values()) <= cells[0].majority_accuracy.item() + tolerance)
