"""What all figures share: how they receive data, how they answer for claims, how panels are laid out.

A drawing function takes `(data, options)` and returns `(matplotlib Figure, tidy pandas DataFrame)`.
A claim function takes `(data, claim)` and returns `Measured`, or raises `NotTestable`.
Neither computes anything that an experiment should have computed; neither imports torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

#: role in the figure's config → datasets of that experiment's cells; grid settings are scalar coordinates
Data = Mapping[str, Sequence[xr.Dataset]]


class NotTestable(Exception):
    """The data of this scale cannot decide the claim; the message says what is missing."""


@dataclass(frozen=True)
class Measured:
    """What was measured for a claim, in the form in which it is shown, and whether the claim holds."""

    value: Any
    holds: bool


def combine(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """One dataset over all cells: every scalar coordinate becomes a dimension; where shapes differ, NaN fills."""
    scalars = [name for name, c in datasets[0].coords.items() if c.ndim == 0]
    expanded = [d.expand_dims(scalars) for d in datasets]
    combined = xr.combine_by_coords(expanded, join="outer", combine_attrs="drop")
    assert isinstance(combined, xr.Dataset)
    return combined


def require(ds: xr.Dataset, **wanted: Sequence[Any]) -> None:
    """Raise `NotTestable` unless every named coordinate of `ds` holds all of the values wanted."""
    for name, values in wanted.items():
        missing = [v for v in values if v not in ds[name].values.tolist()]
        if missing:
            raise NotTestable(f"needs {name} = {', '.join(map(str, missing))}, not on this scale's grid")
