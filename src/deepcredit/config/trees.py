"""Plain trees and typed objects: nested dicts where something is hashed or written, dataclasses everywhere else."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any

from omegaconf import OmegaConf, SCMode


def tree_of(config: Any) -> Any:
    """Nested dicts and lists of a config, with the values as the schema types them."""
    return OmegaConf.to_container(config, resolve=True, structured_config_mode=SCMode.DICT)


def leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of every leaf of nested mappings; lists and empty mappings are leaves."""
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, tree


def set_leaf(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set the dotted `key` in nested dicts."""
    *parents, last = key.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
    tree[last] = value


@cache
def _hints(schema: type) -> dict[str, Any]:
    return typing.get_type_hints(schema)


def instantiate(schema: type, tree: Mapping[str, Any]) -> Any:
    """The dataclass `schema` from nested dicts as configs hold them or `plain` writes them; runs every range check."""
    hints = _hints(schema)
    return schema(**{key: _typed(hints[key], value) for key, value in tree.items()})


def _typed(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return instantiate(hint, value)  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, Enum) and isinstance(value, str):
        return hint[value]
    if typing.get_origin(hint) is list and isinstance(value, list):
        (item,) = typing.get_args(hint)
        return [_typed(item, one) for one in value]
    return float(value) if hint is float and isinstance(value, int) and not isinstance(value, bool) else value


def plain(value: Any) -> Any:
    """`value` with enumeration members replaced by their names, for hashing and for writing."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
