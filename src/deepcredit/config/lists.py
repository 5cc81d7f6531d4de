"""One value where a setting is a list: `seed=0` says `seed=[0]`, whoever writes it, a person or a sweeper."""

import dataclasses
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from omegaconf import MISSING


@cache
def accepting_one(schema: type) -> type:
    """The dataclass `schema` with `Any` for its lists and for those of its sections, as Hydra is to compose it."""
    hints = typing.get_type_hints(schema)
    changed = [found for f in dataclasses.fields(schema) if (found := _accepting_one(f, hints[f.name]))]
    return dataclasses.make_dataclass(schema.__name__, changed, bases=(schema,))


def _accepting_one(f: dataclasses.Field[Any], hint: Any) -> tuple[str, Any, Any] | None:
    """Name, type and field where a list or a section is; None for anything else."""
    if _is_list(hint):
        return f.name, Any, _field(f.default, f.default_factory, f.metadata)
    if not dataclasses.is_dataclass(hint):
        return None
    section, default = accepting_one(typing.cast(type, hint)), f.default_factory
    if default is dataclasses.MISSING:
        return f.name, section, _field(f.default, default, f.metadata)
    return f.name, section, _field(dataclasses.MISSING, lambda: section(**vars(default())), f.metadata)


def _field(default: Any, default_factory: Any, metadata: Mapping[Any, Any]) -> Any:
    return dataclasses.field(default=default, default_factory=default_factory, metadata=metadata)


def with_lists(schema: type, tree: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `schema` in a tree, with a list of one where `schema` has a list and the tree a single value."""
    hints = typing.get_type_hints(schema)
    return {key: _with_lists(hints.get(key, Any), value) for key, value in tree.items()}


def _with_lists(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return with_lists(typing.cast(type, hint), value)
    return value if not _is_list(hint) or isinstance(value, list) or value in (None, MISSING) else [value]


def _is_list(hint: Any) -> bool:
    return typing.get_origin(hint) is list
