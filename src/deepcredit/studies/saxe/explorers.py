"""What the page lets a reader move through: training of deep linear networks over time, γ and learning rates.

The page draws these numbers and computes none: what is shown is chosen, scaled and rounded here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from deepcredit.figures.base import Data
from deepcredit.figures.packing import packed

#: the smallest loss that the page tells apart, as in the figure of the same grid
FLOOR = 1e-8

#: where an explorer opens that is not told: the member of the figures
INIT_SCALE, WEIGHT_LR = 1e-12, 100.0


def representations(data: Data, *, items: Sequence[str], **_: Any) -> dict[str, Any]:
    """Similarity of the items at every epoch, with loss and singular values.

    Over the grid of γ and learning rates where that is computed, and otherwise for the figure's own run.
    """
    found = _first_seed(data["grid"] if "grid" in data else data["network"])
    row, column = np.triu_indices(found.sizes["item"])
    rsm = (found.rsm / found.rsm.max(("epoch", "item", "other_item"))).transpose(..., "item", "other_item", "epoch")
    modes = found.singular_value / found.target_singular_value.max()
    return {
        **_axes(found),
        "kind": "representations",
        "items": items,
        "rsm": packed(rsm.values[:, :, row, column], 0.0, 1.0, 8),
        "modes": packed(modes.transpose(..., "mode", "epoch").values, 0.0, 1.1, 8),
        "loss": packed(_log_loss(found), *_log_range(found), 16),
        "start": _start(found, INIT_SCALE, WEIGHT_LR),
    }


def loss_grid(data: Data, *, init_scale: float = INIT_SCALE, weight_lr: float = WEIGHT_LR, **_: Any) -> dict[str, Any]:
    """The loss at every epoch over the grid of γ and learning rates."""
    found = _first_seed(data["grid"])
    loss = packed(_log_loss(found), *_log_range(found), 16)
    return {**_axes(found), "kind": "loss_grid", "loss": loss, "start": _start(found, init_scale, weight_lr)}


def _first_seed(cells: Sequence[xr.Dataset]) -> xr.Dataset:
    """The first seed of an experiment of one cell."""
    (cell,) = cells
    return cell.isel(seed=0).transpose("init_scale", "weight_lr", "epoch", ...)


def _axes(found: xr.Dataset) -> dict[str, Any]:
    axes = {"gamma": "init_scale", "rate": "weight_lr", "epoch": "epoch"}
    return {name: found[coordinate].values.tolist() for name, coordinate in axes.items()}


def _start(found: xr.Dataset, init_scale: float, weight_lr: float) -> dict[str, int]:
    """Where the explorer opens: the member that the figures show, at the middle of its training."""
    return {
        "gamma": int(np.abs(np.log(found.init_scale.values / init_scale)).argmin()),
        "rate": int(np.abs(found.weight_lr.values - weight_lr).argmin()),
        "epoch": found.sizes["epoch"] // 2,
    }


def _log_loss(found: xr.Dataset) -> np.ndarray:
    """log₁₀ of the loss [γ, learning rate, epoch], of `FLOOR` where it is smaller."""
    return np.log10(np.maximum(found.loss.values, FLOOR))


def _log_range(found: xr.Dataset) -> tuple[float, float]:
    finite = found.loss.values[np.isfinite(found.loss.values)]
    return float(np.log10(FLOOR)), float(np.log10(max(finite.max(), 10 * FLOOR)))
