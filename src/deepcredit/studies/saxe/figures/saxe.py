"""Figures on deep linear networks after Saxe et al.: how hierarchical data are learned, mode by mode.

Epochs count the updates made before: loss, representations and predictions belong to the start of an epoch, singular
values to its end.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import matplotlib
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from deepcredit.config.figure import Claim
from deepcredit.figures.base import Data, Measured, require
from deepcredit.figures.style import COLUMN, PAGE, SEQUENCE

#: features that an item has not and has
NO_YES = ListedColormap(["#D9D9D9", "#0072B2"])
LOSS, PREDICTION = "#D55E00", "#CC79A7"


def member(ds: xr.Dataset) -> xr.Dataset:
    """The only member of a data set: first seed, first γ, first learning rate."""
    return ds.isel(seed=0, init_scale=0, weight_lr=0)


def table_of(panel: str, values: xr.DataArray, quantity: str) -> pd.DataFrame:
    """One row a value: the panel, the quantity, the coordinates, the value."""
    frame = values.rename("value").to_dataframe().reset_index()[[*values.dims, "value"]]
    frame.insert(0, "panel", panel)
    frame.insert(1, "quantity", quantity)
    return frame


def mode_colors(n: int) -> list[Any]:
    """Colours of the modes, the largest singular value darkest."""
    return list(matplotlib.colormaps[SEQUENCE](np.linspace(0.0, 0.85, n)))


def relative_modes(ds: xr.Dataset) -> xr.DataArray:
    """Singular values of W_2 W_1 divided by their largest over modes and epochs."""
    return ds.singular_value / ds.singular_value.max()


# --- the data -----------------------------------------------------------------------------------------------------


def yes_no_map(ax: Axes, values: np.ndarray, items: Sequence[str] = ()) -> Any:
    """Matrix of ±1, an item a row and a feature a column; the items named if `items` is given."""
    image = ax.imshow(values, cmap=NO_YES, vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    ax.set_yticks(range(len(items)), items)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.set_xticks(np.arange(values.shape[1] - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(values.shape[0] - 1) + 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=0.5, alpha=1)
    ax.tick_params(which="minor", length=0)
    ax.spines[:].set_visible(False)
    return image


def no_yes_bar(figure: Figure, image: Any, axes: Any) -> None:
    """Key of the two colours."""
    bar = figure.colorbar(image, ax=axes, ticks=[-0.5, 0.5], shrink=0.5, aspect=8, pad=0.02)
    bar.ax.set_yticklabels(["no", "yes"])
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)


def hierarchical_data(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Labels, named features and sampled features of all items; then label and sampled features of one item."""
    (ds,) = data["network"]
    sampled = ds.target.isel(seed=0).values[:, : options["shown"]]
    items, named = options["items"], options["named_features"]
    labels = 2 * np.eye(len(items), dtype=int) - 1
    features = np.array(list(named.values())).T
    one = options["sample"]
    figure = Figure(figsize=(PAGE, 4.0))
    axes = figure.subplots(
        2, 3, width_ratios=[8, 10, options["shown"] / 2], height_ratios=[len(items), 1.3], squeeze=False
    )
    panels = [
        (axes[0, 0], "labels", labels, items, items),
        (axes[0, 1], "named features", features, (), [name.replace("_", " ") for name in named]),
        (axes[0, 2], f"{sampled.shape[1]} sampled features", sampled, (), ()),
        (axes[1, 0], "label of one sample", labels[[one]], [items[one]], ()),
        (axes[1, 2], "its sampled features", sampled[[one]], (), ()),
    ]
    for ax, title, values, rows, columns in panels:
        image = yes_no_map(ax, values, rows)
        ax.set_title(title)
        ax.set_xticks(range(len(columns)), columns, rotation=90)
    yes_no_map(axes[1, 1], features[[one]])
    axes[1, 1].set_title("its named features")
    no_yes_bar(figure, image, list(axes.flat))
    frames = [
        _item_table(name, values, items) for name, values in zip(PANELS, (labels, features, sampled), strict=True)
    ]
    return figure, pd.concat(frames)


PANELS = ("labels", "named features", "sampled features")


def _item_table(panel: str, values: np.ndarray, items: Sequence[str]) -> pd.DataFrame:
    wide = pd.DataFrame(values, index=pd.Index(items, name="item")).reset_index()
    return wide.melt("item", var_name="column", value_name="value").assign(panel=panel)


# --- loss ---------------------------------------------------------------------------------------------------------


def plateau_levels(ds: xr.Dataset) -> np.ndarray:
    """Loss with the first k modes learned and the others not begun, for k = 0 … modes − 1."""
    values = ds.target_singular_value.values
    return 1 - np.concatenate([[0], np.cumsum(values**2)[:-1]]) / ds.target.size


def loss_and_grid(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """The loss with its plateaus; then the loss over initialisation scales and learning rates."""
    (single,), (grid,) = data["network"], data["grid"]
    single, grid = member(single), grid.isel(seed=0)
    figure = Figure(figsize=(PAGE, 4.3))
    axes = figure.subplots(2, 3)
    tables = [
        _default_loss(axes[0, 0], single),
        _family(figure, axes[0, 1], grid.sel(weight_lr=options["weight_lr"]), "init_scale", r"$\gamma$"),
        _family(figure, axes[0, 2], grid.sel(init_scale=options["init_scale"]), "weight_lr", r"$\eta$"),
        _grid_map(figure, axes[1, 0], half_loss_epoch(grid), "epoch of half the loss", None),
        _grid_map(figure, axes[1, 1], _last_loss(grid, options["floor"]), "loss after the last epoch", LogNorm()),
        _large_init(axes[1, 2], grid, options["large_init"]),
    ]
    axes[0, 1].set_title(rf"$\eta = {options['weight_lr']:g}$")
    axes[0, 2].set_title(rf"$\gamma = {power_of_ten(options['init_scale'])}$")
    return figure, pd.concat(tables)


def power_of_ten(value: float) -> str:
    """A power of ten in mathtext."""
    return rf"10^{{{round(np.log10(value))}}}"


def _default_loss(ax: Axes, ds: xr.Dataset) -> pd.DataFrame:
    levels = plateau_levels(ds)
    for level in levels:
        ax.axhline(level, color="0.8", linewidth=0.6, zorder=0)
    ax.plot(ds.epoch, ds.loss, color=LOSS)
    ax.set(title="loss and its plateaus", xlabel="epoch", ylabel="mean squared error", ylim=(0, 1.05))
    modes = xr.DataArray(levels, {"mode": ds.mode}, name="level")
    return pd.concat([table_of("default", ds.loss, "loss"), table_of("default", modes, "plateau before mode")])


def _family(figure: Figure, ax: Axes, ds: xr.Dataset, over: str, symbol: str) -> pd.DataFrame:
    """Loss curves coloured by one coordinate."""
    values = ds[over].values
    norm = LogNorm(values.min(), values.max()) if over == "init_scale" else None
    scale = matplotlib.cm.ScalarMappable(norm, SEQUENCE)
    scale.set_array(values)
    for value in values:
        ax.plot(ds.epoch, ds.loss.sel({over: value}), color=scale.to_rgba(value), linewidth=0.9)
    figure.colorbar(scale, ax=ax, label=symbol, aspect=25)
    ax.set(xlabel="epoch", ylim=(0, 1.05))
    return table_of(f"over {over}", ds.loss, "loss")


def half_loss_epoch(ds: xr.Dataset) -> xr.DataArray:
    """First epoch at which the loss is at most half of what it was at the start; NaN where it never is."""
    below = ds.loss <= ds.loss.isel(epoch=0) / 2
    return ds.epoch.isel(epoch=below.argmax("epoch")).where(below.any("epoch")).drop_vars("epoch")


def _last_loss(ds: xr.Dataset, floor: float) -> xr.DataArray:
    """Loss at the last epoch, at least `floor`."""
    return ds.loss.isel(epoch=-1, drop=True).clip(min=floor)


def _grid_map(figure: Figure, ax: Axes, values: xr.DataArray, title: str, norm: Any) -> pd.DataFrame:
    """Colour map over γ and learning rate, one cell a member; what is NaN stays grey."""
    values = values.transpose("init_scale", "weight_lr")
    ax.set_facecolor("0.85")
    image = ax.pcolormesh(np.ma.masked_invalid(values.values), cmap=SEQUENCE, norm=norm)
    figure.colorbar(image, ax=ax, aspect=25)
    rates, scales = values.weight_lr.values, values.init_scale.values
    columns, rows = _sparse(len(rates), 6), _sparse(len(scales), 6)
    ax.set_xticks(columns + 0.5, [f"{rates[i]:g}" for i in columns])
    ax.set_yticks(rows + 0.5, [f"${power_of_ten(scales[i])}$" for i in rows])
    ax.set(title=title, xlabel=r"learning rate $\eta$", ylabel=r"$\gamma$")
    return table_of(title, values, title)


def _sparse(n: int, most: int) -> np.ndarray:
    """Indices of at most `most` + 1 evenly spaced ones of n."""
    return np.arange(0, n, -(-n // most))


def _large_init(ax: Axes, grid: xr.Dataset, options: Mapping[str, Any]) -> pd.DataFrame:
    """Singular values from weights of a large scale, at a high and at a low learning rate."""
    chosen = grid.sel(init_scale=options["init_scale"], weight_lr=options["weight_lr"])
    relative = relative_modes(chosen)
    for lr, style in zip(options["weight_lr"], ("-", "--"), strict=True):
        draw_modes(ax, relative.sel(weight_lr=lr), linewidth=0.9, linestyle=style)
    solid, dashed = options["weight_lr"]
    ax.set_title(rf"$\gamma = {options['init_scale']:g}$; solid $\eta={solid:g}$, dashed ${dashed:g}$")
    ax.set(xlabel="epoch", ylabel="singular value (relative)", ylim=(0, 1.05))
    return table_of("large init", relative, "relative singular value")


# --- modes and representations ------------------------------------------------------------------------------------


def draw_modes(ax: Axes, modes: xr.DataArray, **style: Any) -> None:
    """One curve a mode."""
    for color, mode in zip(mode_colors(modes.sizes["mode"]), modes.mode.values, strict=True):
        ax.plot(modes.epoch, modes.sel(mode=mode), **{"color": color, **style})


def modes(data: Data, _options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Loss, and below it the relative singular values with the closed form dashed over them."""
    (ds,) = data["network"]
    ds = member(ds)
    relative, closed = relative_modes(ds), ds.mode_curve / ds.singular_value.max()
    figure = Figure(figsize=(COLUMN, 3.9))
    top, bottom = figure.subplots(2, 1, sharex=True)
    top.plot(ds.epoch, ds.loss, color=LOSS)
    top.set(ylabel="mean squared error", ylim=(0, 1.05))
    draw_modes(bottom, relative, linewidth=1.8)
    draw_modes(bottom, closed, color="black", linewidth=0.8, linestyle=(0, (3, 2)))
    bottom.plot([], [], color="black", linewidth=0.8, linestyle=(0, (3, 2)), label="closed form")
    bottom.set(xlabel="epoch", ylabel="singular value (relative)", ylim=(0, 1.05))
    bottom.legend(loc="upper left")
    parts = {"loss": ds.loss, "relative singular value": relative, "closed form": closed}
    return figure, pd.concat([table_of("modes", values, name) for name, values in parts.items()])


def representations(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Similarity of the items' hidden activity at `options.epochs`, above loss and modes with those epochs marked."""
    (ds,) = data["network"]
    ds = member(ds)
    rsm = (ds.rsm / ds.rsm.max()).sel(epoch=options["epochs"])
    figure = Figure(figsize=(PAGE, 3.5))
    top, bottom = cast(Any, figure.subfigures(2, 1, height_ratios=[1.15, 1]))
    _rsm_row(top, rsm, options["items"])
    ax = bottom.subplots()
    _loss_and_modes(ax, ds)
    for epoch in options["epochs"]:
        ax.axvline(epoch, color="0.5", linewidth=0.7, linestyle=":")
    tables = [table_of("rsm", rsm, "similarity"), table_of("curves", ds.loss, "loss")]
    return figure, pd.concat([*tables, table_of("curves", relative_modes(ds), "relative singular value")])


def _rsm_row(figure: Any, rsm: xr.DataArray, items: Sequence[str]) -> None:
    axes = figure.subplots(1, rsm.sizes["epoch"], sharey=True)
    for ax, epoch in zip(axes, rsm.epoch.values, strict=True):
        image = ax.imshow(rsm.sel(epoch=epoch), cmap="Purples", vmin=0, vmax=1)
        ax.set_title(f"epoch {epoch}")
        ax.set_xticks(range(len(items)), items, rotation=90)
        ax.tick_params(length=0)
    axes[0].set_yticks(range(len(items)), items)
    figure.colorbar(image, ax=list(axes), label="similarity", aspect=12, pad=0.01, shrink=0.6)


def _loss_and_modes(ax: Axes, ds: xr.Dataset) -> None:
    ax.plot(ds.epoch, ds.loss, color=LOSS)
    ax.set(xlabel="epoch", xlim=(0, ds.epoch[-1]), ylim=(0, 1.05))
    ax.set_ylabel("mean squared error", color=LOSS)
    modes_axis(ax, ds)


def modes_axis(ax: Axes, ds: xr.Dataset) -> None:
    """Relative singular values on an axis of their own, at the right of `ax` and behind its curves."""
    right = ax.twinx()
    right.spines["right"].set_visible(True)
    draw_modes(right, relative_modes(ds), linewidth=0.8)
    right.set(ylim=(0, 1.05), ylabel="singular value (relative)")
    ax.set_zorder(right.get_zorder() + 1)
    ax.patch.set_visible(False)


# --- illusory correlations ----------------------------------------------------------------------------------------


def illusory(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """The last columns of the targets with the new feature, and the prediction of it for one item over training."""
    (ds,) = data["network"]
    ds = member(ds)
    shown = ds.target.isel(feature=slice(-options["shown"], None))
    figure = Figure(figsize=(PAGE, 2.5))
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.7])
    no_yes_bar(figure, yes_no_map(left, shown.values, options["items"]), left)
    left.set_xticks([options["shown"] - 1], [options["feature"]])
    left.set_title(f"last {options['shown']} features")
    right.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    right.plot(ds.epoch, ds.prediction, color=PREDICTION, linewidth=2.4)
    right.set(xlabel="epoch", ylim=(-1.05, 1.05), xlim=(0, ds.epoch[-1]))
    right.set_ylabel(options["label"], color=PREDICTION)
    modes_axis(right, ds)
    tables = [table_of("targets", shown, "target"), table_of("training", ds.prediction, "prediction")]
    return figure, pd.concat([*tables, table_of("training", relative_modes(ds), "relative singular value")])


# --- linear regression --------------------------------------------------------------------------------------------

SOLUTIONS = {"analytic": "closed form", "zero_depth": "no hidden layer", "deep": "one hidden layer"}


def regression(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Weights found in three ways, their differences, the losses, and a small matrix recovered from noisy samples."""
    (ds,) = data["regression"]
    ds = ds.isel(seed=0)
    shown = ds.weight.isel(feature=slice(options["shown"])).transpose("solution", "item", "feature")
    figure = Figure(figsize=(PAGE, 4.6))
    maps, right = cast(Any, figure.subfigures(1, 2, width_ratios=[1.35, 1]))
    differences = _weight_maps(maps, shown)
    top, bottom = right.subplots(2, 1)
    for network, color in {"zero_depth": "#009E73", "deep": LOSS}.items():
        top.plot(ds.epoch, ds.loss.sel(network=network), color=color, label=SOLUTIONS[network])
    top.set(xlabel="epoch", ylabel="mean squared error", ylim=(0, None))
    top.legend()
    _recovered(bottom, ds)
    parts = {"weight": shown, "difference from closed form": differences, "loss": ds.loss}
    parts |= {"true matrix": ds.true_matrix, "recovered matrix": ds.recovered_matrix}
    return figure, pd.concat([table_of("regression", values, name) for name, values in parts.items()])


def _weight_maps(figure: Any, shown: xr.DataArray) -> xr.DataArray:
    """Maps of the weights, and under them those of their differences from the closed form, which are returned."""
    axes = figure.subplots(5, 1, sharex=True)
    weights = {name: shown.sel(solution=name) for name in SOLUTIONS}
    for ax, (name, values) in zip(axes[:3], weights.items(), strict=True):
        image = _weight_map(ax, values, SOLUTIONS[name], 1.0)
    figure.colorbar(image, ax=list(axes[:3]), label="weight", aspect=18)
    for ax, name in zip(axes[3:], ("zero_depth", "deep"), strict=True):
        difference = values_of_difference(weights[name], weights["analytic"])
        bound = float(np.abs(difference).max())
        image = _weight_map(ax, difference, f"{SOLUTIONS[name]} − closed form", bound)
        bar = figure.colorbar(image, ax=ax, ticks=[-bound, 0, bound], aspect=6)
        bar.ax.set_yticklabels([f"−{bound:.0e}", "0", f"{bound:.0e}"])
    axes[-1].set_xlabel(f"first {shown.sizes['feature']} features")
    others = shown.sel(solution=["zero_depth", "deep"])
    return others - shown.sel(solution="analytic", drop=True)


def values_of_difference(values: xr.DataArray, reference: xr.DataArray) -> xr.DataArray:
    """`values` − `reference`, without the coordinates that differ."""
    return values.drop_vars("solution") - reference.drop_vars("solution")


def _weight_map(ax: Axes, values: xr.DataArray, title: str, bound: float) -> Any:
    image = ax.imshow(values, cmap="PuOr", vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest")
    ax.set(title=title, ylabel="item", xticks=[], yticks=[])
    return image


def _recovered(ax: Axes, ds: xr.Dataset) -> None:
    """The true matrix as colours, with what was recovered written into its cells."""
    ax.imshow(ds.true_matrix, cmap="Blues", vmin=0, vmax=14, aspect="auto")
    for (row, column), value in np.ndenumerate(ds.recovered_matrix.values):
        true = ds.true_matrix.values[row, column]
        ax.text(column, row, f"{value:.3f}\n(true {true:.0f})".replace("-", "−"), ha="center", va="center", fontsize=7)
    ax.set(title="recovered from noisy samples", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


# --- claims -------------------------------------------------------------------------------------------------------


def half_height(curves: xr.DataArray, heights: np.ndarray) -> np.ndarray:
    """Epoch, interpolated, at which every curve [epoch, mode] first reaches half its height; NaN if it never does."""
    times = []
    for mode, height in zip(curves.mode.values, heights, strict=True):
        curve = curves.sel(mode=mode).values
        after = int(np.argmax(curve >= height / 2))
        before = max(after - 1, 0)
        reached = curve[after] >= height / 2
        time = np.interp(height / 2, curve[[before, after]], curves.epoch.values[[before, after]])
        times.append(time if reached else np.nan)
    return np.array(times)


def modes_in_order(data: Data, claim: Claim) -> Measured:
    """Epochs of half-height, each group of modes entirely before the next; `options.groups` lists the groups."""
    (ds,) = data["network"]
    ds = member(ds)
    times = half_height(ds.singular_value, ds.target_singular_value.values)
    groups = [times[np.array(group) - 1] for group in claim.options["groups"]]
    ordered = all(a.max() < b.min() for a, b in pairwise(groups))
    return Measured(times.round(2), ordered)


def times_of_closed_form(data: Data, claim: Claim) -> Measured:
    """Largest relative deviation of the epochs of half-height from those of the closed form."""
    (ds,) = data["network"]
    ds = member(ds)
    heights = ds.target_singular_value.values
    measured, closed = (half_height(curves, heights) + 1 for curves in (ds.singular_value, ds.mode_curve))
    deviation = float(np.abs(measured / closed - 1).max())
    return Measured(deviation, deviation <= (claim.tolerance or 0.0))


def half_height_range(data: Data, claim: Claim) -> Measured:
    """First epochs past half-height of the first and of the last mode, at one γ and learning rate of the grid."""
    (grid,) = data["grid"]
    chosen = {name: claim.options[name] for name in ("init_scale", "weight_lr")}
    require(grid, **{name: [value] for name, value in chosen.items()})
    ds = grid.isel(seed=0).sel(chosen)
    times = np.ceil(half_height(ds.singular_value, ds.target_singular_value.values))
    found = [float(times.min()), float(times.max())]
    return Measured(found, bool(np.abs(np.array(found) - claim.published).max() <= (claim.tolerance or 0.0)))


def count_plateaus(loss: np.ndarray) -> int:
    """Plateaus between drops of a loss curve: stretches where it falls less than half as fast as before and after.

    Drops below a thousandth of the fastest do not count as drops.
    """
    drop = -np.diff(loss)
    before, after = np.maximum.accumulate(drop), np.maximum.accumulate(drop[::-1])[::-1]
    flat = (drop < np.minimum(before, after) / 2) & (after > drop.max() / 1000)
    return int(flat[0]) + int((np.diff(flat.astype(int)) == 1).sum())


def plateaus(data: Data, claim: Claim) -> Measured:
    """Number of plateaus between drops of the loss, at one γ and learning rate of the grid, against `published`."""
    (grid,) = data["grid"]
    chosen = {name: claim.options[name] for name in ("init_scale", "weight_lr")}
    require(grid, **{name: [value] for name, value in chosen.items()})
    found = count_plateaus(grid.loss.isel(seed=0).sel(chosen).values)
    return Measured(found, found == claim.published)


def rises_then_falls(data: Data, claim: Claim) -> Measured:
    """Largest prediction and the one after it at the end: above `published.above`, then below `published.below`."""
    prediction = member(data["network"][0]).prediction.values
    peak, end = prediction.max(), prediction[-1]
    return Measured(
        {"peak": peak, "end": end}, bool(peak > claim.published["above"] and end < claim.published["below"])
    )


def peak_height(data: Data, claim: Claim) -> Measured:
    """Largest prediction over training, against `published`."""
    peak = float(member(data["network"][0]).prediction.max())
    return Measured(peak, abs(peak - claim.published) <= (claim.tolerance or 0.0))


def peak_epoch(data: Data, claim: Claim) -> Measured:
    """Epoch of the largest prediction, against `published`."""
    epoch = int(np.argmax(member(data["network"][0]).prediction.values))
    return Measured(epoch, abs(epoch - claim.published) <= (claim.tolerance or 0.0))


def final_prediction(data: Data, claim: Claim) -> Measured:
    """Prediction at the last epoch, against `published`."""
    end = float(member(data["network"][0]).prediction[-1])
    return Measured(end, abs(end - claim.published) <= (claim.tolerance or 0.0))


def weights_agree(data: Data, claim: Claim) -> Measured:
    """Largest difference between any two of the three weight matrices, over all features and items."""
    (ds,) = data["regression"]
    spread = float((ds.weight.max("solution") - ds.weight.min("solution")).max())
    return Measured(spread, spread <= (claim.tolerance or 0.0))


def no_plateau(data: Data, claim: Claim) -> Measured:
    """How much the loss of a network speeds up again: its largest drop in an epoch over any smaller one before it.

    After a plateau the loss falls faster than before: a ratio above 1. Without one every drop is smaller than the last.
    """
    (ds,) = data["regression"]
    drop = -np.diff(ds.loss.isel(seed=0).sel(network=claim.options["network"]).values)
    later = np.maximum.accumulate(drop[::-1])[::-1]
    ratio = float((later / drop).max())
    return Measured(ratio, ratio <= 1 + (claim.tolerance or 0.0))


def matrix_recovered(data: Data, _claim: Claim) -> Measured:
    """Largest error of the recovered matrix; it holds if rounding gives the true integers."""
    (ds,) = data["regression"]
    error = float(np.abs(ds.recovered_matrix - ds.true_matrix).max())
    return Measured(error, bool((ds.recovered_matrix.round() == ds.true_matrix).all()))
