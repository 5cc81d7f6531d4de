"""Linear regression on the hierarchical data in three ways, after the Neuromatch tutorial on Saxe et al."""

from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepcredit.figures.base import Cells, Measured
from deepcredit.figures.cells import only
from deepcredit.figures.drawing import new_figure
from deepcredit.figures.numbers import number
from deepcredit.figures.style import PAGE
from deepcredit.figures.tables import in_panel
from deepcredit.studies.saxe.figures.modes import LOSS

SOLUTIONS = {"analytic": "closed form", "zero_depth": "no hidden layer", "deep": "one hidden layer"}

#: networks that are trained, with their colours
TRAINED = {"zero_depth": "#009E73", "deep": LOSS}


def regression(regression: Cells, *, shown: int) -> tuple[Figure, pd.DataFrame]:
    """Weights found in three ways, their differences, the losses, and a small matrix recovered from noisy samples.

    Of the weights, the first `shown` features.
    """
    ds = only(regression).isel(seed=0)
    weights = ds.weight.isel(feature=slice(shown)).transpose("solution", "item", "feature")
    figure = new_figure(PAGE, 4.6)
    maps, right = cast(Any, figure.subfigures(1, 2, width_ratios=[1.35, 1]))
    _weight_maps(maps, weights)
    top, bottom = right.subplots(2, 1)
    _losses(top, ds)
    _recovered(bottom, ds)
    parts = {"weight": weights, "difference from closed form": _differences(weights), "loss": ds.loss}
    parts |= {"true matrix": ds.true_matrix, "recovered matrix": ds.recovered_matrix}
    return figure, pd.concat([in_panel("regression", values, name) for name, values in parts.items()])


def _differences(weights: xr.DataArray) -> xr.DataArray:
    """Weights of the trained networks less those of the closed form."""
    return weights.sel(solution=list(TRAINED)) - weights.sel(solution="analytic", drop=True)


def _weight_maps(figure: Any, weights: xr.DataArray) -> None:
    """Maps of the weights, and under them those of their differences from the closed form."""
    axes = figure.subplots(5, 1, sharex=True)
    for ax, (name, title) in zip(axes[:3], SOLUTIONS.items(), strict=True):
        image = _weight_map(ax, weights.sel(solution=name), title, 1.0)
    figure.colorbar(image, ax=list(axes[:3]), label="weight", aspect=18)
    for ax, name in zip(axes[3:], TRAINED, strict=True):
        _difference_map(figure, ax, _differences(weights).sel(solution=name), SOLUTIONS[name])
    axes[-1].set_xlabel(f"first {weights.sizes['feature']} features")


def _difference_map(figure: Any, ax: Axes, difference: xr.DataArray, name: str) -> None:
    bound = float(np.abs(difference).max())
    image = _weight_map(ax, difference, f"{name} − closed form", bound)
    bar = figure.colorbar(image, ax=ax, ticks=[-bound, 0, bound], aspect=6)
    bar.ax.set_yticklabels([f"−{bound:.0e}", "0", f"{bound:.0e}"])


def _weight_map(ax: Axes, values: xr.DataArray, title: str, bound: float) -> Any:
    image = ax.imshow(values, cmap="PuOr", vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest")
    ax.set(title=title, ylabel="item", xticks=[], yticks=[])
    return image


def _losses(ax: Axes, ds: xr.Dataset) -> None:
    for network, color in TRAINED.items():
        ax.plot(ds.epoch, ds.loss.sel(network=network), color=color, label=SOLUTIONS[network])
    ax.set(xlabel="epoch", ylabel="mean squared error", ylim=(0, None))
    ax.legend()


def _recovered(ax: Axes, ds: xr.Dataset) -> None:
    """The true matrix as colours, with what was recovered written into its cells."""
    ax.imshow(ds.true_matrix, cmap="Blues", vmin=0, vmax=14, aspect="auto")
    for (row, column), value in np.ndenumerate(ds.recovered_matrix.values):
        text = f"{number(value, '.3f')}\n(true {number(ds.true_matrix.values[row, column], '.0f')})"
        ax.text(column, row, text, ha="center", va="center", fontsize="small")
    ax.set(title="recovered from noisy samples", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


# --- claims -------------------------------------------------------------------------------------------------------


def weights_agree(regression: Cells, *, tolerance: float = 0.0) -> Measured:
    """Largest difference between any two of the three weight matrices, over all features and items."""
    ds = only(regression)
    spread = float((ds.weight.max("solution") - ds.weight.min("solution")).max())
    return Measured(spread, spread <= tolerance)


def no_plateau(regression: Cells, *, network: str, tolerance: float = 0.0) -> Measured:
    """How much the loss of a network speeds up again: its largest drop in an epoch over any smaller one before it.

    After a plateau the loss falls faster than before: a ratio above 1. Without one every drop is smaller than the last.
    """
    drop = -np.diff(only(regression).loss.isel(seed=0).sel(network=network).values)
    later = np.maximum.accumulate(drop[::-1])[::-1]
    ratio = float((later / drop).max())
    return Measured(ratio, ratio <= 1 + tolerance)


def matrix_recovered(regression: Cells) -> Measured:
    """Largest error of the recovered matrix; it holds if rounding gives the true integers."""
    ds = only(regression)
    error = float(np.abs(ds.recovered_matrix - ds.true_matrix).max())
    return Measured(error, bool((ds.recovered_matrix.round() == ds.true_matrix).all()))
