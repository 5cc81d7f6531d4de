"""What the page lets a reader move through: arrays over time, packed small, for the figures that have an explorer.

The page draws these numbers and computes none: what is shown is chosen, scaled and rounded here.
"""

import base64
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from deepcredit.pipeline import paths
from deepcredit.pipeline.plan import Plan, PlannedFigure
from deepcredit.pipeline.store import read

#: the smallest loss that the page tells apart, as in the figure of the same grid
FLOOR = 1e-8

#: experiment with the network of `saxe.representations` over learning rates and γ
GRID = "deep_linear_grid"


def explorers(plan: Plan, figure: PlannedFigure) -> dict[str, Any] | None:
    """The data of a figure's explorer, ready for JSON; None where it has none or its arrays are not there."""
    build = EXPLORERS.get(figure.config["draw"])
    return build(plan, figure) if build else None


def representations(plan: Plan, figure: PlannedFigure) -> dict[str, Any] | None:
    """Similarity of the items at every epoch, with loss and singular values.

    Over the grid of γ and learning rates where that is computed, and otherwise for the figure's own run.
    """
    found = _arrays(plan, GRID)
    found = _arrays(plan, figure.experiments["network"]) if found is None else found
    if found is None:
        return None
    options = figure.config["options"]
    row, column = np.triu_indices(found.sizes["item"])
    rsm = (found.rsm / found.rsm.max(("epoch", "item", "other_item"))).transpose(..., "item", "other_item", "epoch")
    modes = found.singular_value / found.target_singular_value.max()
    return {
        **_axes(found),
        "kind": "representations",
        "items": options["items"],
        "rsm": packed(rsm.values[:, :, row, column], 0.0, 1.0, 8),
        "modes": packed(modes.transpose(..., "mode", "epoch").values, 0.0, 1.1, 8),
        "loss": packed(_log_loss(found), *_log_range(found), 16),
        "start": _start(found, options),
    }


def loss_grid(plan: Plan, figure: PlannedFigure) -> dict[str, Any] | None:
    """The loss at every epoch over the grid of γ and learning rates."""
    found = _arrays(plan, figure.experiments["grid"])
    if found is None:
        return None
    loss = packed(_log_loss(found), *_log_range(found), 16)
    return {**_axes(found), "kind": "loss_grid", "loss": loss, "start": _start(found, figure.config["options"])}


#: drawing function → what builds its explorer
EXPLORERS: dict[str, Callable[[Plan, PlannedFigure], dict[str, Any] | None]] = {
    "saxe.representations": representations,
    "saxe.loss_and_grid": loss_grid,
}


def _arrays(plan: Plan, experiment: str) -> xr.Dataset | None:
    """The first seed of an experiment of one cell, where it is computed."""
    cells = plan.cells.get(experiment, ())
    if len(cells) != 1 or not (paths.root() / cells[0].path).is_file():
        return None
    return read(paths.root() / cells[0].path).isel(seed=0).transpose("init_scale", "weight_lr", "epoch", ...)


def _axes(found: xr.Dataset) -> dict[str, Any]:
    axes = {"gamma": "init_scale", "rate": "weight_lr", "epoch": "epoch"}
    return {name: found[coordinate].values.tolist() for name, coordinate in axes.items()}


def _start(found: xr.Dataset, options: Mapping[str, Any]) -> dict[str, int]:
    """Where the explorer opens: the member that the figures show, at the middle of its training."""
    scale, rate = options.get("init_scale", 1e-12), options.get("weight_lr", 100.0)
    return {
        "gamma": int(np.abs(np.log(found.init_scale.values / scale)).argmin()),
        "rate": int(np.abs(found.weight_lr.values - rate).argmin()),
        "epoch": found.sizes["epoch"] // 2,
    }


def _log_loss(found: xr.Dataset) -> np.ndarray:
    """log₁₀ of the loss [γ, learning rate, epoch], of `FLOOR` where it is smaller."""
    return np.log10(np.maximum(found.loss.values, FLOOR))


def _log_range(found: xr.Dataset) -> tuple[float, float]:
    finite = found.loss.values[np.isfinite(found.loss.values)]
    return float(np.log10(FLOOR)), float(np.log10(max(finite.max(), 10 * FLOOR)))


def packed(values: np.ndarray, low: float, high: float, bits: int) -> dict[str, Any]:
    """An array between `low` and `high` in 8 or 16 bits, as differences along its last axis, compressed, in base64.

    Values outside the range are drawn to its end; those that are not numbers (of a run that diverged) to the upper one.
    """
    top = 2**bits - 1
    whole = np.nan_to_num((values - low) / (high - low), nan=1.0, posinf=1.0, neginf=0.0)
    steps = np.rint(np.clip(whole, 0.0, 1.0) * top).astype(np.int64)
    differences = np.diff(steps, axis=-1, prepend=0).astype(f"<u{bits // 8}")
    planes = np.frombuffer(differences.tobytes(), np.uint8).reshape(-1, bits // 8).T
    content = zlib.compress(planes.tobytes(), 9)
    text = base64.b64encode(content).decode("ascii")
    return {"shape": list(values.shape), "low": low, "high": high, "bits": bits, "data": text}
