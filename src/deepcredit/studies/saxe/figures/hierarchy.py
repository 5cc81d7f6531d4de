"""The hierarchical data that deep linear networks are trained on, after Saxe et al."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from deepcredit.figures.base import Cells
from deepcredit.figures.cells import only
from deepcredit.figures.drawing import new_figure
from deepcredit.figures.style import PAGE

#: features that an item has not and has
NO_YES = ListedColormap(["#D9D9D9", "#0072B2"])

PANELS = ("labels", "named features", "sampled features")


def hierarchical_data(
    network: Cells, *, items: list[str], named_features: Mapping[str, list[int]], sample: int, shown: int
) -> tuple[Figure, pd.DataFrame]:
    """Labels, named features and `shown` sampled features of all items; then label and features of item `sample`."""
    sampled = only(network).target.isel(seed=0).values[:, :shown]
    labels = 2 * np.eye(len(items), dtype=int) - 1
    features = np.array(list(named_features.values())).T
    figure = new_figure(PAGE, 4.0)
    axes = figure.subplots(2, 3, width_ratios=[8, 10, shown / 2], height_ratios=[len(items), 1.3], squeeze=False)
    _all_items(axes[0], (labels, features, sampled), items, list(named_features))
    image = _one_item(axes[1], [values[[sample]] for values in (labels, features, sampled)], items[sample])
    no_yes_bar(figure, image, list(axes.flat))
    frames = [_item_table(name, v, items) for name, v in zip(PANELS, (labels, features, sampled), strict=True)]
    return figure, pd.concat(frames)


def _all_items(axes: Sequence[Axes], panels: Sequence[np.ndarray], items: Sequence[str], named: Sequence[str]) -> None:
    labels, features, sampled = panels
    _panel(axes[0], "labels", labels, items, items)
    _panel(axes[1], "named features", features, (), [name.replace("_", " ") for name in named])
    _panel(axes[2], f"{sampled.shape[1]} sampled features", sampled)


def _one_item(axes: Sequence[Axes], panels: Sequence[np.ndarray], item: str) -> Any:
    labels, features, sampled = panels
    _panel(axes[0], "label of one sample", labels, [item])
    _panel(axes[1], "its named features", features)
    return _panel(axes[2], "its sampled features", sampled)


def _panel(ax: Axes, title: str, values: np.ndarray, rows: Sequence[str] = (), columns: Sequence[str] = ()) -> Any:
    image = yes_no_map(ax, values, rows)
    ax.set_title(title)
    ax.set_xticks(range(len(columns)), columns, rotation=90)
    return image


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


def _item_table(panel: str, values: np.ndarray, items: Sequence[str]) -> pd.DataFrame:
    wide = pd.DataFrame(values, index=pd.Index(items, name="item")).reset_index()
    return wide.melt("item", var_name="column", value_name="value").assign(panel=panel)
