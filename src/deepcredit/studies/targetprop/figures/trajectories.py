"""Thirty steps of target propagation and of backpropagation on a linear network of two units a layer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from deepcredit.figures.base import Cells, Measured
from deepcredit.figures.cells import only
from deepcredit.figures.drawing import new_figure
from deepcredit.figures.style import PAGE
from deepcredit.figures.tables import told_apart
from deepcredit.rules.rule import RULES, labels
from deepcredit.studies.targetprop.figures.lines import GREY, PINK, rule_line, steps_of_rule

#: what is drawn of every layer, and of every matrix, with the names of their axes
STATES = {"activation": "activation", "output_gradient": r"gradient $\partial L/\partial x_l$"}
WEIGHTS = {"weight": "entry of the matrix", "weight_update": "entry of its update"}

UNIT_STYLES: dict[int, Any] = {1: "-", 2: "--"}
ENTRY_STYLES: dict[tuple[int, int], Any] = {(1, 1): "-", (1, 2): "--", (2, 1): ":", (2, 2): "-."}


def tp_trajectories(linear: Cells) -> tuple[Figure, pd.DataFrame]:
    """Activations and output gradients per layer, weight entries and weight updates per matrix, over the steps."""
    dataset = only(linear)
    figure = new_figure(PAGE, 6.6)
    states, weights = figure.subfigures(2, 1, hspace=0.03, squeeze=False)[:, 0]
    _state_panels(states, dataset)
    _weight_panels(weights, dataset)
    drawn = {name: dataset[name] for name in (*STATES, *WEIGHTS)}
    table = told_apart(drawn, "variable")
    return figure, table.assign(rule=labels(table["rule"]))


def _state_panels(figure: SubFigure, dataset: xr.Dataset) -> None:
    axes = figure.subplots(2, dataset.sizes["layer"], sharex=True, sharey="row")
    for (variable, label), row in zip(STATES.items(), axes, strict=True):
        for layer, ax in zip(dataset.layer.values, row, strict=True):
            _curves(ax, dataset[variable].sel(layer=layer), "unit", UNIT_STYLES)
        row[0].set_ylabel(label)
    for layer, ax in zip(dataset.layer.values, axes[0], strict=True):
        kind = {0: ", the input", dataset.sizes["layer"] - 1: ", the output"}.get(int(layer), "")
        ax.set_title(f"layer {layer}{kind}")
    for ax in axes[1]:
        ax.set_xlabel("step")
    for unit, style in UNIT_STYLES.items():
        axes[0, -1].axhline(dataset.y.sel(unit=unit).item(), color=PINK, linestyle=style, linewidth=0.9, zorder=0)
    figure.legend(handles=_state_handles(dataset), loc="outside upper center", ncols=5, handlelength=2.6)


def _state_handles(dataset: xr.Dataset) -> list[Line2D]:
    looks = [RULES[rule] for rule in dataset.rule.values]
    rules = [Line2D([], [], color=look.color, linewidth=2, label=look.label) for look in looks]
    units = [Line2D([], [], color=GREY, linestyle=style, label=f"unit {unit}") for unit, style in UNIT_STYLES.items()]
    return [*rules, *units, Line2D([], [], color=PINK, linewidth=0.9, label="desired output $y$")]


def _weight_panels(figure: SubFigure, dataset: xr.Dataset) -> None:
    axes = figure.subplots(2, dataset.sizes["matrix"], sharex=True, sharey="row", squeeze=False)
    for (variable, label), row in zip(WEIGHTS.items(), axes, strict=True):
        for matrix, ax in zip(dataset.matrix.values, row, strict=True):
            entries = dataset[variable].sel(matrix=matrix).stack(entry=("unit_out", "unit"))
            _curves(ax, entries, "entry", ENTRY_STYLES)
        row[0].set_ylabel(label)
    for matrix, ax in zip(dataset.matrix.values, axes[0], strict=True):
        ax.set_title(rf"$W_{matrix}$")
    for ax in axes[1]:
        ax.set_xlabel("step")
    lines = [
        Line2D([], [], color=GREY, linestyle=style, label=f"row {out}, column {unit}")
        for (out, unit), style in ENTRY_STYLES.items()
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=4, handlelength=3)


def _curves(ax: Axes, values: xr.DataArray, family: str, styles: Mapping[Any, str]) -> None:
    """One line a rule and member of the family, in the rule's colour and the member's line style."""
    ax.axhline(0, color=GREY, linewidth=0.4, zorder=0)
    for rule in values.rule.values:
        for member, style in styles.items():
            curve = values.sel({"rule": rule, family: member})
            ax.plot(values.step, curve, style, **rule_line(rule))
    ax.set_xscale("function", functions=(_early_steps_wider, np.square))
    ax.set(xlim=(0, values.step[-1]), xticks=[s for s in (0, 1, 2, 5, 10, 20, 30) if s <= values.step[-1]])


def _early_steps_wider(step: Any) -> Any:
    """√step, along which the steps are drawn: most happens in the first few."""
    return np.sqrt(np.clip(step, 0, None))


# --- claims -------------------------------------------------------------------------------------------------------


def row_spaces_of_backpropagation(linear: Cells, *, turns_above: float, tolerance: float) -> Measured:
    """The row space of the update of W_l is x_{l−1} at every step; x_0 stays, W_1 x_0 turns."""
    dataset = steps_of_rule(linear, "bp")
    states = dataset.activation.sel(layer=dataset.matrix.values - 1)
    cosines = np.abs(_cosine(dataset.update_row_space.values, states.values))
    turned = float(np.degrees(np.arccos(np.clip(_cosine(states.values[0], states.values[-1]), -1, 1)))[1])
    measured = {
        "smallest |cos| of row space and x_0": float(cosines[:, 0].min()),
        "smallest |cos| of row space and W_1 x_0": float(cosines[:, 1].min()),
        "degrees that W_1 x_0 turns": turned,
    }
    return Measured(measured, bool(1 - cosines.min() <= tolerance and turned > turns_above))


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine along the last axis."""
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
