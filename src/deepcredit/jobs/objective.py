"""The one number of a run, for sweepers that look for the best: the array that `objective` names, as it was last."""

import math

import xarray as xr

from deepcredit.config.schema import Experiment
from deepcredit.core.errors import UserError, check, unknown
from deepcredit.jobs.overview import last_measured

#: what is optimised where nothing else is asked for
DEFAULT = "test_accuracy"

#: what the names of arrays end with that are better the higher they are, and the worst value of each
RISING = {"accuracy": 0.0, "alignment": -1.0}


def objective_of(config: Experiment, name: str | None, needed: bool) -> str | None:
    """The array to be optimised: `name`, or test accuracy where the experiment measures it, or None.

    Raises a `UserError` for an array that the experiment does not have, or where one is `needed` and there is none.
    """
    if name is not None and name not in config.variables:
        raise unknown("objective", name, config.variables)
    found = name or (DEFAULT if DEFAULT in config.variables else None)
    if found is None and needed:
        raise UserError(f"objective is not chosen; write objective=<name>; allowed: {', '.join(config.variables)}")
    return found


def measured(dataset: xr.Dataset, name: str) -> float:
    """The values of an array that were last measured in time, mean over all other dimensions.

    What was never measured, as in a run that diverged at once, counts as the worst there is. Raises a `UserError` for
    an array that holds no numbers.
    """
    array = dataset[name]
    check(array.dtype.kind in "fiub", "objective", name, "the name of an array of numbers")
    for dim in [dim for dim in array.dims if _is_time(str(dim))]:
        array = last_measured(array, str(dim))
    return float(array.astype(float).fillna(_worst(name)).mean())


def direction(name: str | None) -> str:
    """Which way an objective gets better, in Optuna's words: accuracies and alignments up, anything else down."""
    return "maximize" if _kind(name or DEFAULT) in RISING else "minimize"


def _worst(name: str) -> float:
    return RISING.get(_kind(name), math.inf)


def _kind(name: str) -> str:
    return name.rpartition("_")[2]


def _is_time(dim: str) -> bool:
    return dim.rpartition("_")[2] in ("step", "epoch")
