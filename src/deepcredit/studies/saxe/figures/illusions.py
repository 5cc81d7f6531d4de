"""Illusory correlations: what a deep linear network believes of one item before it knows the item."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcredit.figures.base import Cells, Measured
from deepcredit.figures.drawing import new_figure
from deepcredit.figures.style import PAGE
from deepcredit.figures.tables import in_panel
from deepcredit.studies.saxe.figures.hierarchy import no_yes_bar, yes_no_map
from deepcredit.studies.saxe.figures.modes import member, modes_axis, relative_modes

PREDICTION = "#CC79A7"


def illusory(network: Cells, *, items: list[str], shown: int, feature: str, label: str) -> tuple[Figure, pd.DataFrame]:
    """The last columns of the targets with the new feature, and the prediction of it for one item over training."""
    ds = member(network)
    last = ds.target.isel(feature=slice(-shown, None))
    figure = new_figure(PAGE, 2.5)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.7])
    no_yes_bar(figure, yes_no_map(left, last.values, items), left)
    left.set_xticks([shown - 1], [feature])
    left.set_title(f"last {shown} features")
    right.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    right.plot(ds.epoch, ds.prediction, color=PREDICTION, linewidth=2.4)
    right.set(xlabel="epoch", ylim=(-1.05, 1.05), xlim=(0, ds.epoch[-1]))
    right.set_ylabel(label, color=PREDICTION)
    modes_axis(right, ds)
    tables = [in_panel("targets", last, "target"), in_panel("training", ds.prediction, "prediction")]
    return figure, pd.concat([*tables, in_panel("training", relative_modes(ds), "relative singular value")])


# --- claims -------------------------------------------------------------------------------------------------------


def _prediction(network: Cells) -> np.ndarray:
    """The prediction of the new feature for the one item, by epoch."""
    return member(network).prediction.values


@dataclass(frozen=True)
class Bounds:
    """What a prediction rises above, and what it ends below."""

    above: float
    below: float


def rises_then_falls(network: Cells, *, published: Bounds) -> Measured:
    """Largest prediction and the one after it at the end, above and then below what is `published`."""
    peak, end = _prediction(network).max(), _prediction(network)[-1]
    return Measured({"peak": peak, "end": end}, bool(peak > published.above and end < published.below))


def peak_height(network: Cells, *, published: float, tolerance: float = 0.0) -> Measured:
    """Largest prediction over training, against `published`."""
    peak = float(_prediction(network).max())
    return Measured(peak, abs(peak - published) <= tolerance)


def peak_epoch(network: Cells, *, published: int, tolerance: float = 0.0) -> Measured:
    """Epoch of the largest prediction, against `published`."""
    epoch = int(np.argmax(_prediction(network)))
    return Measured(epoch, abs(epoch - published) <= tolerance)


def final_prediction(network: Cells, *, published: float, tolerance: float = 0.0) -> Measured:
    """Prediction at the last epoch, against `published`."""
    end = float(_prediction(network)[-1])
    return Measured(end, abs(end - published) <= tolerance)
