"""What settings and coordinates were called in earlier code, so that its arrays are found by what they are called now.

This is the one table of such changes. A setting that came later needs no entry: an array that has none of it is that of
its default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from deepcredit.config.trees import leaves, set_leaf


@dataclass(frozen=True)
class Rename:
    """A setting or a coordinate under its earlier and its present name, and the values that have another name, too.

    An empty `new` drops it. It holds where the earlier settings had the values `where` (dotted key → value).
    """

    old: str
    new: str
    values: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, settings: Mapping[str, Any]) -> bool:
        """Whether it holds for an array with these earlier settings (dotted key → value)."""
        return all(settings.get(key) == value for key, value in self.where.items())

    def value(self, value: Any) -> Any:
        """What a value, or each of a list, is called now."""
        if isinstance(value, list):
            return [self.value(one) for one in value]
        return self.values.get(value, value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Renames:
    """All that has another name now. The first entry that holds for a key counts."""

    settings: tuple[Rename, ...] = ()
    coordinates: tuple[Rename, ...] = ()

    def of_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Nested settings of earlier code as they are called now."""
        before = dict(leaves(settings))
        after: dict[str, Any] = {}
        for key, value in before.items():
            rename = _first(self.settings, key, before)
            if rename.new:
                set_leaf(after, rename.new, rename.value(value))
        return after

    def of_arrays(self, dataset: xr.Dataset, settings: Mapping[str, Any]) -> xr.Dataset:
        """The arrays that earlier code computed with `settings`, with the present coordinates and their values."""
        before = dict(leaves(settings))
        renames = [_first(self.coordinates, str(name), before) for name in dataset.variables]
        for rename in renames:
            dataset = _renamed(dataset, rename) if rename.new else dataset.drop_vars(rename.old)
        return _ordered(dataset, [rename.new for rename in renames if rename.new])


def _first(renames: Sequence[Rename], name: str, settings: Mapping[str, Any]) -> Rename:
    return next((r for r in renames if r.old == name and r.holds(settings)), Rename(name, name))


def _renamed(dataset: xr.Dataset, rename: Rename) -> xr.Dataset:
    named = dataset.rename({rename.old: rename.new}) if rename.old != rename.new else dataset
    if not rename.values:
        return named
    old = named.variables[rename.new]
    values = np.array(rename.value(old.values.tolist()))
    return named.assign_coords({rename.new: (old.dims, values, old.attrs)})


def _ordered(dataset: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """The same with its variables in this order, which tables that are made of it follow."""
    variables = {name: dataset.variables[name] for name in names}
    arrays = {name: variable for name, variable in variables.items() if name in dataset.data_vars}
    coordinates = {name: variable for name, variable in variables.items() if name in dataset.coords}
    return xr.Dataset(arrays, coordinates, dataset.attrs)


#: learning rules
RULES = {"PC": "pc", "BP": "bp", "TP": "tp"}

RENAMES = Renames(
    settings=(
        Rename("rule.name", "rule", RULES),
        Rename("rule.rule", "rule", RULES),
        # backpropagation had the two of target propagation, at 0
        Rename("rule.target_lr", "", where={"rule.rule": "BP"}),
        Rename("rule.inverse_lr", "", where={"rule.rule": "BP"}),
        Rename("rule.target_lr", "rule_options.target_lr"),
        Rename("rule.inverse_lr", "rule_options.inverse_lr"),
        Rename("rule.updated", "optimizer.updated"),
    ),
    coordinates=(Rename("rule", "rule", RULES),),
)
