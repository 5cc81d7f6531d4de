"""Targets and activations of a linear network on the fundamental subspaces of its first weights."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.figures.base import Cells, Measured
from deepcredit.figures.drawing import family, new_figure
from deepcredit.figures.numbers import number
from deepcredit.figures.style import PAGE
from deepcredit.rules.rule import RULES
from deepcredit.studies.targetprop.figures.lines import GREY, PINK, steps_of_rule

LIMIT = 2.0
#: offsets of the lines of a foliation, in units of the basis vector of the space that it fills
OFFSETS = np.arange(-3.0, 3.01, 0.5)
#: kernels and cokernels in one colour, their orthogonal complements in another
SPACE_COLORS = {"kernel": "#E69F00", "cokernel": "#E69F00", "coimage": "#56B4E9", "image": "#56B4E9"}


def tp_subspaces(linear: Cells) -> tuple[Figure, pd.DataFrame]:
    """Activations and targets of the first state, layer by layer, on the subspaces of the matrices beside them.

    Upper row: kernel and coimage of the matrix that reads the layer. Lower row: cokernel and image of the matrix that
    writes it. Thin lines: the quotient by kernel or cokernel. Level curves of the loss at the output, upper row.
    """
    dataset = steps_of_rule(linear, "tp").isel(step=0)
    figure = new_figure(PAGE, 5.2)
    axes = figure.subplots(2, dataset.sizes["layer"], sharex=True, sharey=True)
    rows = [*_reading_row(axes[0], dataset), *_writing_row(axes[1], dataset)]
    for row, panels in zip(("read", "write"), axes, strict=True):
        for layer, ax in zip(dataset.layer.values, panels, strict=True):
            rows += _markers(ax, dataset.sel(layer=layer), is_output=ax is panels[-1], row=row)
            _square(ax)
    for ax in axes[:, 0]:
        ax.set_ylabel("unit 2")
    for ax in axes[1]:
        ax.set_xlabel("unit 1")
    figure.legend(handles=_subspace_legend(), loc="outside lower center", ncols=2, columnspacing=3)
    return figure, pd.DataFrame(rows)


def _reading_row(axes: Iterable[Axes], dataset: xr.Dataset) -> list[dict[str, Any]]:
    *hidden, output = axes
    rows = []
    for ax, matrix in zip(hidden, dataset.matrix.values, strict=True):
        ax.set_title(rf"layer {matrix - 1}: kernel and coimage of $W_{matrix}$")
        rows += _foliation(ax, dataset.basis.sel(matrix=matrix), "kernel", "coimage", matrix - 1, "read")
    output.set_title(f"layer {len(hidden)}, the output: loss")
    return [*rows, *_loss_levels(output, dataset.y.values, len(hidden))]


def _writing_row(axes: Iterable[Axes], dataset: xr.Dataset) -> list[dict[str, Any]]:
    first, *written = axes
    first.set_title("layer 0, the input")
    rows = []
    for ax, matrix in zip(written, dataset.matrix.values, strict=True):
        ax.set_title(rf"layer {matrix}: cokernel and image of $W_{matrix}$")
        rows += _foliation(ax, dataset.basis.sel(matrix=matrix), "cokernel", "image", matrix, "write")
    return rows


def _foliation(ax: Axes, basis: xr.DataArray, along: str, across: str, layer: int, row: str) -> list[dict[str, Any]]:
    """Both lines through 0, and lines in the direction of `along` through multiples of the vector of `across`."""
    direction, offset = basis.sel(subspace=along).values, basis.sel(subspace=across).values
    rows = []
    for multiple in OFFSETS:
        point = multiple * offset
        ax.axline(tuple(point), tuple(point + direction), color=SPACE_COLORS[along], linewidth=0.7, alpha=0.7)
        rows.append(_row(row, layer, f"quotient by {along}", multiple, point, direction))
    for space, vector in ((along, direction), (across, offset)):
        ax.axline((0, 0), tuple(vector), color=SPACE_COLORS[space], linewidth=2)
        rows.append(_row(row, layer, space, 0.0, np.zeros(2), vector))
    return rows


def _row(
    row: str, layer: int, element: str, value: float, point: np.ndarray, direction: np.ndarray | None = None
) -> dict[str, Any]:
    """One line of the table: an element at a point, for lines with their direction; `value` is offset or loss."""
    where = dict(zip(("unit_1", "unit_2"), point, strict=True))
    way = dict(zip(("direction_1", "direction_2"), (np.nan, np.nan) if direction is None else direction, strict=True))
    return {"row": row, "layer": int(layer), "element": element, "value": value, **where, **way}


def _loss_levels(ax: Axes, y: np.ndarray, layer: int) -> list[dict[str, Any]]:
    """Ten level curves of ½ Σ (x − y)², equally far apart in loss: circles around y."""
    axis = np.linspace(-LIMIT, LIMIT, 201)
    first, second = np.meshgrid(axis, axis)
    loss = ((first - y[0]) ** 2 + (second - y[1]) ** 2) / 2
    levels = np.linspace(0, loss.max(), 12)[1:-1]
    colors = list(family(levels.tolist()).values())[::-1]
    ax.contour(first, second, loss, levels, colors=colors, linewidths=0.9)
    ax.annotate(
        f"levels {number(levels[0], '.2f')} apart", (0.98, 0.03), xycoords="axes fraction", ha="right",
        fontsize="small", bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"},
    )  # fmt: skip
    return [_row("read", layer, "loss level", level, y) for level in levels]


MARKERS: dict[str, dict[str, Any]] = {
    "activation": {"color": RULES["bp"].color, "marker": "o", "markersize": 5},
    "target": {"color": RULES["tp"].color, "marker": "D", "markersize": 5},
    "y": {"color": PINK, "marker": "^", "markersize": 7},
}


def _markers(ax: Axes, state: xr.Dataset, is_output: bool, row: str) -> list[dict[str, Any]]:
    layer = int(state.layer)
    points = {"activation": state.activation.values, "target": state.target.values}
    if is_output:
        points["y"] = state.y.values
    shift = {"activation": (5, -10), "target": (-4, 5), "y": (6, 4)}
    names = {"activation": f"$x_{layer}$", "target": f"$t_{layer}$", "y": "$y$"}
    for kind, point in points.items():
        ax.plot(*point, linestyle="none", markeredgecolor="white", markeredgewidth=0.7, zorder=5, **MARKERS[kind])
        left = kind == "target"
        ax.annotate(
            names[kind], point, shift[kind], textcoords="offset points", ha="right" if left else "left", zorder=6,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )  # fmt: skip
    return [_row(row, layer, kind, np.nan, point) for kind, point in points.items()]


def _square(ax: Axes) -> None:
    ax.set(xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), aspect="equal", xticks=range(-2, 3), yticks=range(-2, 3))
    for line in (ax.axhline, ax.axvline):
        line(0, color=GREY, linewidth=0.4, zorder=0)


def _subspace_legend() -> list[Line2D]:
    labels = {"activation": r"activation $x_l$", "target": r"target $t_l$", "y": r"desired output $y$"}
    dots = [Line2D([], [], linestyle="none", label=labels[kind], **style) for kind, style in MARKERS.items()]
    kernel, complement = SPACE_COLORS["kernel"], SPACE_COLORS["coimage"]
    return [
        *dots,
        Line2D([], [], color=kernel, linewidth=2, label="kernel (above), cokernel (below)"),
        Line2D([], [], color=complement, linewidth=2, label="coimage (above), image (below)"),
        Line2D([], [], color=kernel, linewidth=0.7, label="quotient by kernel, by cokernel"),
    ]


# --- claims -------------------------------------------------------------------------------------------------------


def first_step_follows_targets(linear: Cells, *, published: Mapping[str, float], tolerance: float) -> Measured:
    """Cosines of the first move under TP: layer 1 exactly (to `tolerance`), the output above what is published."""
    dataset = steps_of_rule(linear, "tp")
    first, last = dataset.matrix.values[[0, -1]]
    layer, output = (float(dataset.move_cosine.isel(step=0).sel(matrix=m)) for m in (first, last))
    over = {
        f"layer {m}": float(dataset.move_ratio.isel(step=slice(1, None)).sel(matrix=m).max()) for m in (first, last)
    }
    measured = {"layer 1": layer, "output": output, "largest later move over distance to target": over}
    return Measured(measured, bool(abs(layer - 1) <= tolerance and output > published["output above"]))
