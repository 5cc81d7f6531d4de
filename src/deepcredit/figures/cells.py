"""Finding what a figure shows among the cells of an experiment: one vocabulary for settings and members.

`where` gives settings of a cell (its scalar coordinates, and the settings that all cells share) and coordinates of the
members in it their values. What is not on a scale's grid raises `NotTestable`, which names it.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from deepcredit.figures.base import NotTestable

#: member dimensions that single runs do not have, unlike `seed`
MEMBERS = ("act_fn", "weight_lr", "activity_lr", "activity_decay")


def only(cells: Iterable[xr.Dataset], **where: Any) -> xr.Dataset:
    """The one cell that is as `where` says. Raises `NotTestable` where there is none."""
    found = having(cells, **where)
    if not found:
        raise _missing(where)
    (cell,) = found
    return cell


def having(cells: Iterable[xr.Dataset], **where: Any) -> list[xr.Dataset]:
    """The cells that have these settings and members."""
    return [cell for cell in cells if _has(cell, where)]


def values_of(cells: Iterable[xr.Dataset], name: str, **where: Any) -> list[Any]:
    """The values of a setting or member dimension among the cells that have `where`; numbers ascend."""
    found = dict.fromkeys(value for cell in having(cells, **where) for value in _values(cell, name))
    return list(found) if any(isinstance(value, str) for value in found) else sorted(found)


def pick(cells: Iterable[xr.Dataset], **where: Any) -> xr.Dataset:
    """The runs that are as `where` says, of the first cell that has them; member dimensions of length 1 are dropped.

    `seed` stays a dimension. Raises `NotTestable` naming the settings where no run is like that.
    """
    cell = next(iter(having(cells, **where)), None)
    if cell is None:
        raise _missing(where)
    runs = cell.isel({name: _position(cell, name, value) for name, value in where.items() if name in cell.dims})
    return runs.squeeze([d for d in MEMBERS if runs.sizes.get(d) == 1])


def at(ds: xr.Dataset, **where: Any) -> xr.Dataset:
    """A data set at values of its coordinates: one value drops the dimension, a list keeps it.

    Raises `NotTestable` naming the first coordinate that lacks a value wanted.
    """
    require(ds, **{name: np.atleast_1d(values).tolist() for name, values in where.items()})
    return ds.sel(where)


def require(ds: xr.Dataset | xr.DataArray, **wanted: Sequence[Any]) -> None:
    """Raise `NotTestable` unless every named coordinate of `ds` holds all of the values wanted."""
    for name, values in wanted.items():
        missing = [v for v in values if v not in ds[name].values.tolist()]
        if missing:
            raise NotTestable(f"needs {name} = {', '.join(map(str, missing))}, not on this scale's grid")


def combine(cells: Sequence[xr.Dataset]) -> xr.Dataset:
    """One dataset over all cells: every scalar coordinate becomes a dimension; where shapes differ, NaN fills."""
    scalars = [name for name, c in cells[0].coords.items() if c.ndim == 0]
    combined = xr.combine_by_coords([cell.expand_dims(scalars) for cell in cells], join="outer", combine_attrs="drop")
    assert isinstance(combined, xr.Dataset)
    return combined


def _missing(where: Mapping[str, Any]) -> NotTestable:
    return NotTestable(f"needs {', '.join(f'{k} = {v}' for k, v in where.items())}, not on this scale's grid")


def _has(cell: xr.Dataset, where: Mapping[str, Any]) -> bool:
    return all(_position(cell, name, value) is not None for name, value in where.items())


def _position(cell: xr.Dataset, name: str, value: Any) -> int | None:
    """Where `value` is among the values of a setting; rates may differ by rounding."""
    for position, found in enumerate(_values(cell, name)):
        if found == value or (isinstance(found, float) and math.isclose(found, value, rel_tol=1e-6)):
            return position
    return None


def _values(cell: xr.Dataset, name: str) -> list[Any]:
    """All values of a coordinate, or the one of the setting whose key ends in `name`, in a cell."""
    if name in cell.coords:
        return np.atleast_1d(cell[name].values).tolist()
    return _settings(cell.attrs.get("settings", "{}")).get(name, [])


@cache
def _settings(text: str) -> dict[str, list[Any]]:
    """Values of all settings that a cell's `settings` write, by the last part of their keys."""
    found: dict[str, list[Any]] = {}
    waiting = [json.loads(text)]
    for tree in waiting:
        waiting += [value for value in tree.values() if isinstance(value, dict)]
        for key, value in tree.items():
            if not isinstance(value, dict):
                found.setdefault(key, []).append(value)
    return found
