"""Cells as they lie in the store, made up so that the answers are known."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

MEMBERS = ("seed", "weight_lr", "activity_lr", "activity_decay")


def cell(
    accuracy: Any,
    *,
    members: Mapping[str, Sequence[float]] | None = None,
    stops: Mapping[tuple[int, ...], tuple[str, int]] | None = None,
    loss: Any = None,
    every: int = 300,
    **settings: Any,
) -> xr.Dataset:
    """Runs of one shape. `accuracy` broadcasts to [seed, weight_lr, activity_lr, activity_decay, test].

    `stops` gives members (by position) their reason and step of stopping; they have NaN after it. `settings` are
    `act_fn`, `n_hidden`, `width`, `parameterisation`, `max_t`, `dataset`, `epochs`, `batch_size`, `content`.
    """
    own = {"seed": [0], "weight_lr": [0.1], "activity_lr": [0.5], "activity_decay": [0.0], **(members or {})}
    shape = tuple(len(own[name]) for name in MEMBERS)
    n_tests = np.shape(accuracy)[-1]
    tests, steps = every * np.arange(1, n_tests + 1), np.arange(1, every * n_tests + 1)
    accuracies = np.broadcast_to(np.asarray(accuracy, float), (*shape, n_tests)).copy()
    losses = np.broadcast_to(np.asarray(0.5 if loss is None else loss, float), (*shape, len(steps))).copy()
    reasons, ends = np.full(shape, "", dtype=object), np.full(shape, steps[-1])
    for member, (reason, step) in (stops or {}).items():
        reasons[member], ends[member] = reason, step
        accuracies[member][tests > step] = np.nan
        losses[member][steps > step] = np.nan
    return _dataset(own, (accuracies, losses, reasons.astype(str), ends), tests, steps, settings)


def _dataset(
    members: Mapping[str, Sequence[float]],
    arrays: tuple[np.ndarray, ...],
    tests: np.ndarray,
    steps: np.ndarray,
    settings: Mapping[str, Any],
) -> xr.Dataset:
    accuracies, losses, reasons, ends = arrays
    kappa = np.concatenate([np.full_like(accuracies[..., :1], 3.0), 3 + accuracies], -1)
    names: dict[str, dict[str, Any]] = {
        "model": {"act_fn": "relu", "n_hidden": 8, "width": 512, "parameterisation": "mupc"},
        "inference": {"max_t": "n_hidden"},
        "data": {"dataset": "mnist", "epochs": 1, "batch_size": 64, "content": None},
    }
    for section in names.values():
        section.update({key: settings[key] for key in section if key in settings})
    return xr.Dataset(
        {
            "test_accuracy": ((*MEMBERS, "test_step"), accuracies),
            "train_loss": ((*MEMBERS, "step"), losses),
            "condition_number": ((*MEMBERS, "condition_step"), kappa),
            "stop_reason": (MEMBERS, reasons),
            "stop_step": (MEMBERS, ends),
        },
        coords={**members, "test_step": tests, "step": steps, "condition_step": np.array([0, *tests])},
        attrs={"settings": json.dumps(names)},
    )
