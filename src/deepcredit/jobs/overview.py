"""A small table and a picture of one cell's arrays, whatever kind of experiment they are of."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from deepcredit.figures.drawing import new_figure, text_size
from deepcredit.figures.style import PAGE

#: rows of a table on the screen, curves and panels of a picture
ROWS, CURVES, PANELS = 12, 8, 6

#: variables of a kind of experiment that trains; its picture and table are of losses and accuracies
TRAINED = ("train_loss", "test_accuracy", "stop_step", "stop_reason")


def table(dataset: xr.Dataset) -> pd.DataFrame:
    """One row a member for a training; else one row a variable: its dimensions, and what its values range over."""
    return _members(dataset) if _is_training(dataset) else _variables(dataset)


def picture(dataset: xr.Dataset) -> Figure:
    """Loss and accuracy of every member of a training; else the variables over their last dimension."""
    shown = ["train_loss", "test_accuracy"] if _is_training(dataset) else _shown(dataset)
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns) if shown else 1
    figure = new_figure(PAGE, 2.3 * rows)
    for position, name in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, columns, position)
        axes.set_title(name.replace("_", " "))
        _curves(axes, dataset[name])
    return figure


def _is_training(dataset: xr.Dataset) -> bool:
    return all(name in dataset for name in TRAINED)


def _members(dataset: xr.Dataset) -> pd.DataFrame:
    columns = {
        "iterations": dataset.stop_step,
        "train_loss": last_measured(dataset.train_loss, "step").round(5),
        "test_accuracy": last_measured(dataset.test_accuracy, "test_step").round(2),
        "stopped": dataset.stop_reason,
    }
    found = xr.Dataset(columns).reset_coords(drop=True).to_dataframe().reset_index()
    found["stopped"] = found["stopped"].replace("", "no")
    return found


def last_measured(array: xr.DataArray, dim: str) -> xr.DataArray:
    """The last value along `dim` that is not NaN; NaN where all are."""
    known = array.astype(float).notnull()
    last = known.cumsum(dim).argmax(dim)
    return array.astype(float).isel({dim: last}).drop_vars(dim)


def _variables(dataset: xr.Dataset) -> pd.DataFrame:
    rows = []
    for name, array in dataset.data_vars.items():
        values = array.values
        finite = values[np.isfinite(values)] if values.dtype.kind in "fiu" else np.array([])
        measured = [f"{f(finite):.4g}" if finite.size else "" for f in (np.min, np.mean, np.max)]
        shape = ", ".join(f"{dim} {size}" for dim, size in array.sizes.items())
        rows.append([str(name), shape, *measured])
    return pd.DataFrame(rows, columns=["variable", "dimensions", "minimum", "mean", "maximum"])


def _shown(dataset: xr.Dataset) -> list[str]:
    numeric = [str(name) for name, array in dataset.data_vars.items() if array.dtype.kind in "fiu"]
    return numeric[:PANELS]


def _curves(axes, array: xr.DataArray) -> None:
    """Curves over the last numeric dimension longer than one, one for each place along the others, up to `CURVES`."""
    long = [dim for dim in array.dims if array.sizes[dim] > 1 and array[dim].dtype.kind in "fiu"]
    if not long:
        values = array.values.ravel()
        axes.plot(np.arange(values.size), values, "o")
        axes.set_xlabel("entry")
        return
    along = "step" if "step" in long else long[-1]
    others = [dim for dim in array.dims if dim != along]
    curves = array.transpose(*others, along).values.reshape(-1, array.sizes[along])
    for place, curve in list(zip(np.ndindex(*(array.sizes[d] for d in others)), curves, strict=True))[:CURVES]:
        told = [(d, i) for d, i in zip(others, place, strict=True) if array.sizes[d] > 1]
        label = ", ".join(f"{str(d).replace('_', ' ')} {array[d].values[i]}" for d, i in told)
        axes.plot(array[along].values, curve, label=label, marker="o" if curve.size < 12 else "", linewidth=1)
    axes.set_xlabel(str(along).replace("_", " "))
    finite = curves[np.isfinite(curves)]
    if finite.size and finite.min() > 0 and finite.max() > 30 * finite.min():
        axes.set_yscale("log")
    if len(curves) > 1:
        axes.legend(fontsize=text_size(0.625))
