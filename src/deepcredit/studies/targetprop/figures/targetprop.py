"""Figures of the target-propagation notebook: subspaces and trajectories of a linear network, learned inverses."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from deepcredit.config.figure import Claim
from deepcredit.figures.base import Data, Measured, NotTestable
from deepcredit.figures.style import PAGE, SEQUENCE
from deepcredit.rules.rule import RULES, labels

Options = Mapping[str, Any]

GREY = "#8c8c8c"


def only(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """The one cell of an experiment that has a single cell."""
    (dataset,) = datasets
    return dataset


def steps_of_rule(dataset: xr.Dataset, rule: str) -> xr.Dataset:
    """The trajectory of one rule; `NotTestable` where it was not computed."""
    if rule not in dataset.rule.values:
        raise NotTestable(f"needs rule = {RULES[rule].label}, not on this scale's grid")
    return dataset.sel(rule=rule)


# --- subspaces of the first weights -------------------------------------------------------------------------------

LIMIT = 2.0
#: offsets of the lines of a foliation, in units of the basis vector of the space that it fills
OFFSETS = np.arange(-3.0, 3.01, 0.5)
#: kernels and cokernels in one colour, their orthogonal complements in another
SPACE_COLORS = {"kernel": "#E69F00", "cokernel": "#E69F00", "coimage": "#56B4E9", "image": "#56B4E9"}


def tp_subspaces(data: Data, _options: Options) -> tuple[Figure, pd.DataFrame]:
    """Activations and targets of the first state, layer by layer, on the subspaces of the matrices beside them.

    Upper row: kernel and coimage of the matrix that reads the layer. Lower row: cokernel and image of the matrix that
    writes it. Thin lines: the quotient by kernel or cokernel. Level curves of the loss at the output, upper row.
    """
    dataset = steps_of_rule(only(data["linear"]), "tp").isel(step=0)
    figure = Figure(figsize=(PAGE, 5.2))
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
    colors = colormaps[SEQUENCE](np.linspace(0.85, 0.15, len(levels)))
    ax.contour(first, second, loss, levels, colors=colors, linewidths=0.9)
    ax.annotate(f"levels {levels[0]:.2f} apart", (0.98, 0.03), xycoords="axes fraction", ha="right", fontsize=6.5,
                bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"})  # fmt: skip
    return [_row("read", layer, "loss level", level, y) for level in levels]


MARKERS: dict[str, dict[str, Any]] = {
    "activation": {"color": RULES["bp"].color, "marker": "o", "markersize": 5},
    "target": {"color": RULES["tp"].color, "marker": "D", "markersize": 5},
    "y": {"color": "#CC79A7", "marker": "^", "markersize": 7},
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


# --- trajectories -------------------------------------------------------------------------------------------------

#: where curves coincide, the thin dark one shows on top of the broad one
EMPHASIS: dict[str, dict[str, Any]] = {"tp": {"linewidth": 2.0, "zorder": 2}, "bp": {"linewidth": 1.0, "zorder": 3}}
UNIT_STYLES: dict[int, Any] = {1: "-", 2: "--"}
ENTRY_STYLES: dict[tuple[int, int], Any] = {(1, 1): "-", (1, 2): "--", (2, 1): ":", (2, 2): "-."}


def rule_line(rule: str) -> dict[str, Any]:
    """How the curves of a rule are drawn; those that have no emphasis lie on top."""
    return {"color": RULES[rule].color} | EMPHASIS.get(rule, {"linewidth": 1.0, "zorder": 4})


def tp_trajectories(data: Data, _options: Options) -> tuple[Figure, pd.DataFrame]:
    """Activations and output gradients per layer, weight entries and weight updates per matrix, over the steps."""
    dataset = only(data["linear"])
    figure = Figure(figsize=(PAGE, 6.6))
    states, weights = figure.subfigures(2, 1, hspace=0.03, squeeze=False)[:, 0]
    rows = [
        *_state_panels(states, dataset),
        *_weight_panels(weights, dataset),
    ]
    return figure, pd.concat(rows, ignore_index=True)


def _state_panels(figure: SubFigure, dataset: xr.Dataset) -> list[pd.DataFrame]:
    axes = figure.subplots(2, dataset.sizes["layer"], sharex=True, sharey="row")
    names = {"activation": "activation", "output_gradient": r"gradient $\partial L/\partial x_l$"}
    for (variable, label), row in zip(names.items(), axes, strict=True):
        for layer, ax in zip(dataset.layer.values, row, strict=True):
            _curves(ax, dataset[variable].sel(layer=layer), "unit", UNIT_STYLES)
        row[0].set_ylabel(label)
    for layer, ax in zip(dataset.layer.values, axes[0], strict=True):
        kind = {0: ", the input", dataset.sizes["layer"] - 1: ", the output"}.get(int(layer), "")
        ax.set_title(f"layer {layer}{kind}")
    for ax in axes[1]:
        ax.set_xlabel("step")
    for unit, style in UNIT_STYLES.items():
        axes[0, -1].axhline(dataset.y.sel(unit=unit).item(), color="#CC79A7", linestyle=style, linewidth=0.9, zorder=0)
    lines = [Line2D([], [], color=GREY, linestyle=style, label=f"unit {unit}") for unit, style in UNIT_STYLES.items()]
    desired = Line2D([], [], color="#CC79A7", linewidth=0.9, label="desired output $y$")
    figure.legend(
        handles=[*_rule_handles(dataset), *lines, desired], loc="outside upper center", ncols=5, handlelength=2.6
    )
    return [_tidy(dataset[v], v) for v in names]


def _weight_panels(figure: SubFigure, dataset: xr.Dataset) -> list[pd.DataFrame]:
    axes = figure.subplots(2, dataset.sizes["matrix"], sharex=True, sharey="row", squeeze=False)
    names = {"weight": "entry of the matrix", "weight_update": "entry of its update"}
    for (variable, label), row in zip(names.items(), axes, strict=True):
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
    return [_tidy(dataset[v], v) for v in names]


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


def _rule_handles(dataset: xr.Dataset) -> list[Line2D]:
    looks = [RULES[rule] for rule in dataset.rule.values]
    return [Line2D([], [], color=look.color, linewidth=2, label=look.label) for look in looks]


def _tidy(values: xr.DataArray, name: str) -> pd.DataFrame:
    table = values.rename("value").to_dataframe().reset_index()
    return table.assign(rule=labels(table["rule"]), variable=name)


# --- claims about the linear network ------------------------------------------------------------------------------


def first_step_follows_targets(data: Data, claim: Claim) -> Measured:
    """Cosines of the first move under TP: layer 1 exactly (to `tolerance`), the output above `published.output`."""
    dataset = steps_of_rule(only(data["linear"]), "tp")
    first, last = dataset.matrix.values[[0, -1]]
    layer, output = (float(dataset.move_cosine.isel(step=0).sel(matrix=m)) for m in (first, last))
    over = {
        f"layer {m}": float(dataset.move_ratio.isel(step=slice(1, None)).sel(matrix=m).max()) for m in (first, last)
    }
    measured = {"layer 1": layer, "output": output, "largest later move over distance to target": over}
    return Measured(measured, bool(abs(layer - 1) <= _tolerance(claim) and output > claim.published["output above"]))


def row_spaces_of_backpropagation(data: Data, claim: Claim) -> Measured:
    """The row space of the update of W_l is x_{l−1} at every step; x_0 stays, W_1 x_0 turns."""
    dataset = steps_of_rule(only(data["linear"]), "bp")
    states = dataset.activation.sel(layer=dataset.matrix.values - 1)
    cosines = np.abs(_cosine(dataset.update_row_space.values, states.values))
    turned = float(np.degrees(np.arccos(np.clip(_cosine(states.values[0], states.values[-1]), -1, 1)))[1])
    measured = {
        "smallest |cos| of row space and x_0": float(cosines[:, 0].min()),
        "smallest |cos| of row space and W_1 x_0": float(cosines[:, 1].min()),
        "degrees that W_1 x_0 turns": turned,
    }
    return Measured(measured, bool(1 - cosines.min() <= _tolerance(claim) and turned > claim.options["turns_above"]))


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine along the last axis."""
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def _tolerance(claim: Claim) -> float:
    assert claim.tolerance is not None, f"claim {claim.check} needs a tolerance"
    return claim.tolerance


# --- learned inverses ---------------------------------------------------------------------------------------------

#: line of the settings that are not the source's
OTHER_STYLE: Any = "--"
DATASET_NAMES = {"mnist": "MNIST", "ring": "ring"}


def tp_learned_inverse(data: Data, options: Options) -> tuple[Figure, pd.DataFrame]:
    """Loss, accuracy, layer losses and inverse losses over the iterations, one row of panels a data set."""
    cells, seeds = data["training"], only(data["chance"])
    figure = Figure(figsize=(PAGE, 4.2))
    axes = figure.subplots(len(DATASET_NAMES), 4, sharex=True)
    for (dataset, name), row in zip(DATASET_NAMES.items(), axes, strict=True):
        chosen = [cell for cell in cells if cell.dataset.item() == dataset]
        _dataset_panels(row, chosen, options)
        row[0].set_ylabel(name, fontsize="large")
        if dataset == seeds.dataset.item():
            _single_seeds(row, seeds)
    for ax, title in zip(axes[0], ("loss", "accuracy (%)", r"layer losses $L_l$", "inverse losses"), strict=True):
        ax.set_title(title)
    for ax in axes[1]:
        ax.set_xlabel("iteration")
    _iterations(axes[0, 0], max(int(cell.step[-1]) for cell in cells))
    figure.legend(handles=_training_legend(cells, seeds, options), loc="outside lower center", ncols=4)
    tables = [_training_rows(cell).assign(role="training") for cell in cells]
    return figure, pd.concat([*tables, _training_rows(seeds).assign(role="chance")], ignore_index=True)


def _iterations(ax: Axes, last: int) -> None:
    """Logarithmic above 100, with 0 on the axis."""
    ax.set_xscale("symlog", linthresh=100, linscale=0.4)
    ticks = [0, *(10**n for n in range(2, 6) if 10**n <= last)]
    ax.set_xticks(ticks, ["0", *(f"$10^{round(np.log10(t))}$" for t in ticks[1:])])
    ax.set_xlim(0, last)


def _single_seeds(axes: Sequence[Axes], cell: xr.Dataset) -> None:
    """Loss and accuracy of every seed of the experiment that asks when backpropagation leaves chance."""
    for ax, variable in zip(axes[:2], ("loss", "accuracy"), strict=True):
        for seed in cell.seed.values:
            ax.plot(cell.step, cell[variable].sel(seed=seed), color=GREY, linewidth=0.6, zorder=1)


def _dataset_panels(axes: Sequence[Axes], cells: Sequence[xr.Dataset], options: Options) -> None:
    loss, accuracy, layers, inverses = axes
    for cell in cells:
        style = _line_style(cell, options)
        for ax, variable in ((loss, "loss"), (accuracy, "accuracy")):
            _training_curve(ax, cell[variable], {**rule_line(cell.rule.item()), "linestyle": style})
        for ax, variable, dim in ((layers, "layer_loss", "layer"), (inverses, "inverse_loss", "inverse_layer")):
            for layer in cell[dim].values if cell[variable].notnull().any() else ():
                color = _layer_color(layer, cell.layer.values)
                _training_curve(
                    ax, cell[variable].sel({dim: layer}), {"color": color, "linestyle": style, "linewidth": 1.2}
                )
    _reference_lines(accuracy, cells[0])
    loss.set_ylim(bottom=0)
    for ax in (layers, inverses):
        ax.set_yscale("log")


def _training_curve(ax: Axes, curve: xr.DataArray, style: Mapping[str, Any]) -> None:
    """Mean over seeds, a band of one standard deviation where there are several, a cross where training diverged."""
    mean, spread = curve.mean("seed"), curve.std("seed")
    ax.plot(curve.step, mean, **style)
    if curve.sizes["seed"] > 1:
        ax.fill_between(curve.step, mean - spread, mean + spread, color=style["color"], alpha=0.2, linewidth=0)
    measured = mean.dropna("step")
    if measured.size and bool(mean.isnull()[-1]):
        ax.plot(measured.step[-1], measured[-1], "x", color=style["color"], markersize=5, markeredgewidth=1.3)


def _line_style(cell: xr.Dataset, options: Options) -> Any:
    """Solid for the source's scale of the weights, dashed for any other."""
    return "-" if cell.weight_std.item() == options["source_weight_std"] else OTHER_STYLE


def _layer_color(layer: int, layers: np.ndarray) -> Any:
    return colormaps[SEQUENCE](0.05 + 0.8 * (layer - layers[0]) / max(layers[-1] - layers[0], 1))


def _reference_lines(ax: Axes, cell: xr.Dataset) -> None:
    """The accuracy of always naming the largest class, and on many classes that of guessing."""
    majority, chance = cell.majority_accuracy.item(), 100 / cell.n_classes.item()
    is_binary = cell.n_classes.item() == 2
    level, text = (majority, f"majority {majority:.1f} %") if is_binary else (chance, f"chance {chance:.0f} %")
    ax.axhline(level, color=GREY, linestyle=":", linewidth=1, zorder=0)
    ax.annotate(text, (1, level), (-1, -8), xycoords=("axes fraction", "data"), textcoords="offset points",
                ha="right", color="#555555", fontsize=6.5)  # fmt: skip
    ax.set_ylim(0, 100)


def _training_legend(cells: Sequence[xr.Dataset], seeds: xr.Dataset, options: Options) -> list[Line2D]:
    layers = cells[0].layer.values
    source = options["source_weight_std"]
    others = sorted({cell.weight_std.item() for cell in cells} - {source})
    bp, tp = labels(["bp", "tp"])
    rules = [Line2D([], [], label=RULES[rule].label, **rule_line(rule)) for rule in ("bp", "tp")]
    rules += [Line2D([], [], color=GREY, linewidth=0.6, label=f"{bp}, {seeds.sizes['seed']} seeds")]
    scales = [Line2D([], [], color="black", label=f"std {source:g}: the source's setting")]
    scales += [
        Line2D([], [], color="black", linestyle=OTHER_STYLE, label=f"std {std:g}: a setting that learns")
        for std in others
    ]
    colors = [Line2D([], [], color=_layer_color(n, layers), linewidth=2, label=f"{tp}, layer {n}") for n in layers]
    diverged = any(bool(np.isfinite(cell.diverged_at).any()) for cell in cells)
    cross = [Line2D([], [], color="black", marker="x", linestyle="none", label="diverged after this")] * diverged
    return [*rules, *scales, *cross, *colors]


def _training_rows(cell: xr.Dataset) -> pd.DataFrame:
    """All curves of a cell, one value a row, without what was not measured."""
    scalars = {name: cell[name].item() for name in ("dataset", "rule", "weight_std")}
    tables = []
    for variable in ("loss", "accuracy", "layer_loss", "inverse_loss"):
        values = cell[variable].reset_coords(drop=True).rename("value")
        if "inverse_layer" in values.dims:
            values = values.rename(inverse_layer="layer")
        tables.append(values.to_dataframe().dropna().reset_index().assign(**scalars, variable=variable))
    columns = ["role", "dataset", "rule", "weight_std", "variable", "layer", "seed", "step", "value"]
    table = pd.concat(tables, ignore_index=True).reindex(columns=columns)
    return table.assign(rule=labels(table["rule"]))


# --- claims about learned inverses --------------------------------------------------------------------------------


def backpropagation_stays_at_chance(data: Data, claim: Claim) -> Measured:
    """How far the training-set accuracy of BP is from chance in the first iterations, decided by the median seed.

    Also when each seed leaves chance, that is, when its accuracy is first more than `tolerance` points away from it.
    """
    cell, tolerance, until = only(data["chance"]), _tolerance(claim), claim.options["until"]
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


def ring_stays_at_majority(data: Data, claim: Claim) -> Measured:
    """The best accuracy on the ring of any rule at any iteration is not above that of naming the larger class."""
    cells = [cell for cell in data["training"] if cell.dataset.item() == "ring"]
    best = {f"{RULES[c.rule.item()].label}, std {c.weight_std.item():g}": float(c.accuracy.max()) for c in cells}
    return Measured(best, max(best.values()) <= cells[0].majority_accuracy.item() + _tolerance(claim))
