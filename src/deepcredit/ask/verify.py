"""Is every array of the store whole, and is it what its name and its provenance say?"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from deepcredit.config.cells import label_of, typed
from deepcredit.config.scales import scale_names
from deepcredit.config.trees import leaves
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.core.files import checksum
from deepcredit.plan.plan import plan
from deepcredit.store import store
from deepcredit.store.address import address, provenance_path
from deepcredit.store.fingerprint import code_of_cell, fingerprint
from deepcredit.store.provenance import array_record


@dataclass(frozen=True)
class Damage:
    """A file that is not what it should be: why, and the command that replaces it."""

    path: str
    faults: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class Verification:
    """How many arrays were looked at, how many of them earlier code computed, and what is wrong."""

    arrays: int
    earlier: int
    damaged: tuple[Damage, ...]


def verify() -> Verification:
    """Open and check every array of the store."""
    files = sorted(paths.store().glob("*/[!.]*.nc"))
    damaged = [_damage(path, faults) for path in files if (faults := tuple(faults_of(path)))]
    return Verification(len(files), sum(not _is_current(array_record(path)) for path in files), tuple(damaged))


def faults_of(path: Path) -> Iterator[str]:
    """What is wrong with an array file: its checksum, its name, or, where the bytes are right, its content."""
    record = array_record(path)
    if record is None:
        yield f"its provenance {provenance_path(path).name} is missing or cannot be read"
        return
    found = checksum(path)
    if found != record["sha256"]:
        yield f"its SHA-256 is {found[:12]}…, and {record['sha256'][:12]}… was recorded when it was written"
    elif record["file"] != path.name or path != _address(path, record):
        yield "its name is not that of its settings and code"
    else:
        yield from _faults_of_content(path, record)


def _address(path: Path, record: Mapping[str, Any]) -> Path:
    name = path.stem.rpartition("-")[0]
    return address(record["experiment"], name, record["settings"], fingerprint(record["code"]))


def _faults_of_content(path: Path, record: Mapping[str, Any]) -> Iterator[str]:
    try:
        found = store.read(path)
    except UserError:
        yield "it cannot be opened"
        return
    if found.attrs.get("code") != fingerprint(record["code"]) or _settings(found) != record["settings"]:
        yield "its attributes are not those of its provenance"
    yield from _faults_of_coordinates(found, record)
    if _is_current(record):
        yield from store.broken_promises(record["settings"]["kind"], found)


def _settings(found: xr.Dataset) -> Any:
    return json.loads(found.attrs.get("settings", "null"))


def _faults_of_coordinates(found: xr.Dataset, record: Mapping[str, Any]) -> Iterator[str]:
    """Grid settings must be scalar coordinates, and a setting with a list of values a dimension with these values."""
    for name, value in record["labels"].items():
        if name not in found.coords or found[name].values.tolist() != value:
            yield f"coordinate {name} is not {value}"
    for key, value in leaves(record["settings"]):
        name = label_of(key)
        if isinstance(value, list) and name in found.dims and not _same(found[name].values, value):
            yield f"dimension {name} is not {value}, as {key} says"


def _same(found: np.ndarray, wanted: list[Any]) -> bool:
    if found.shape != np.shape(wanted):
        return False
    numbers = found.dtype.kind in "fiu" and all(isinstance(value, int | float) for value in wanted)
    return bool(np.allclose(found, wanted, rtol=1e-6, atol=0)) if numbers else found.tolist() == wanted


def _is_current(record: Mapping[str, Any] | None) -> bool:
    """Whether today's code computed an array: only then does today's promise bind it."""
    if record is None:
        return False
    try:
        return code_of_cell(typed(record["settings"], record["experiment"])) == record["code"]
    except (KeyError, TypeError, SyntaxError, UserError):
        return False


def _damage(path: Path, faults: tuple[str, ...]) -> Damage:
    name = paths.relative(path)
    removal = f"rm -f {name} {paths.relative(provenance_path(path))}"
    command = _planned_commands().get(name)
    return Damage(name, faults, f"{removal} && {command}" if command else f"{removal}  # no figure reads it")


@cache
def _planned_commands() -> dict[str, str]:
    """Path → command of every cell of every scale."""
    return {
        cell.path: cell.command for scale in scale_names() for cells in plan(scale).cells.values() for cell in cells
    }
