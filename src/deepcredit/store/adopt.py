"""Arrays of another store under the names that they have here: found by their settings, compared bit by bit, rewritten.

What is adopted is written as if it had been computed here, to the same bytes. Where, when and by what it was computed
stays in its provenance, and so does on what evidence it was adopted.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from deepcredit.config.cells import Cell, settings_of, typed
from deepcredit.core.errors import UserError
from deepcredit.core.files import checksum
from deepcredit.store import netcdf, store
from deepcredit.store.address import address, provenance_path
from deepcredit.store.fingerprint import fingerprint
from deepcredit.store.processor import processor
from deepcredit.store.provenance import read_json
from deepcredit.store.renamed import Renames

#: what provenance tells of the run that computed an array, and keeps when the array is adopted
OF_THE_RUN = ("seconds", "cpu_seconds", "device", "threads")


@dataclass(frozen=True, eq=False)
class Earlier:
    """An array of another store, and its provenance."""

    path: Path
    record: Mapping[str, Any]

    @property
    def address(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def device(self) -> str:
        return self.record.get("device", "cpu")

    @property
    def threads(self) -> int:
        return self.record.get("threads", 1)

    @cached_property
    def origin(self) -> str:
        """Everything beside the settings that its bits depend on; arrays are evidence for those of their own origin."""
        of = [self.record.get(key) for key in ("machine", "processor", "device", "threads", "python", "versions")]
        return json.dumps([fingerprint(self.record["code"]), *of], sort_keys=True)


# --- which arrays there are ---------------------------------------------------------------------------------------


def store_folder(folder: Path) -> Path:
    """Where the arrays are that belong to `folder`: a store, a clone, its `results`, or those of one scale.

    Raises a `UserError` where there are none.
    """
    places = (folder, folder / "store", folder / "results" / "store", folder.parent / "store")
    found = next((place for place in places if any(place.glob("*/[!.]*.nc"))), None)
    if found is None:
        raise UserError(f"no arrays in {folder}; name a store, a clone of the project, or a folder of its results")
    return found.resolve()


def by_settings(folder: Path, renames: Renames) -> dict[str, list[Earlier]]:
    """The arrays of a store by their settings as they are called now (`key_of`), the newest first."""
    found: dict[str, list[Earlier]] = {}
    for earlier in sorted(_arrays(folder), key=lambda earlier: earlier.record["finished"], reverse=True):
        for key in dict.fromkeys(_keys(earlier.record, renames)):
            found.setdefault(key, []).append(earlier)
    return found


def key_of(settings: Mapping[str, Any]) -> str:
    """Settings as one text, the same for the same settings."""
    return json.dumps(settings, sort_keys=True, ensure_ascii=False)


def _arrays(folder: Path) -> Iterator[Earlier]:
    for path in folder.glob("*/[!.]*.nc"):
        record = read_json(provenance_path(path))
        if record:
            yield Earlier(path, record)


def _keys(record: Mapping[str, Any], renames: Renames) -> Iterator[str]:
    """Its settings as they were written and as they are called now, where the present code understands them."""
    written = record["settings"]
    for settings in (lambda: written, lambda: renames.of_settings(written)):
        try:
            yield key_of(settings_of(typed(settings(), record["experiment"])))
        except (AttributeError, KeyError, TypeError, UserError):  # another vocabulary than the present one
            continue


# --- whether one may be taken -------------------------------------------------------------------------------------


def elsewhere(record: Mapping[str, Any], cuda: str) -> str:
    """What an array was computed on if that is not here, where the CUDA device is `cuda`; else empty."""
    here = store.surroundings()["machine"]
    if record["machine"] != here:
        return f"{record['machine']}, and this is {here}"
    if record.get("processor", processor()) not in (processor(), None):
        return f"another processor ({record['processor']}), and this is {processor()}"
    device = record.get("device", "cpu")
    if device not in ("cpu", cuda):
        return f"another device ({device}), which is not here"
    return ""


def faults(earlier: Earlier) -> str:
    """Why a file is not what its provenance says; empty where it is."""
    record = earlier.record
    name = earlier.path.stem.rpartition("-")[0]
    own = address(record["experiment"], name, record["settings"], fingerprint(record["code"])).name
    if checksum(earlier.path) != record["sha256"]:
        return "its SHA-256 is not the one that was recorded when it was written"
    return "" if own == earlier.path.name == record["file"] else "its name is not that of its settings and code"


# --- bit by bit ---------------------------------------------------------------------------------------------------


def arrays(path: Path, labels: Iterable[str]) -> xr.Dataset:
    """The arrays of a file without the scalar coordinates `labels`, which say its settings once more."""
    found = netcdf.parsed(path.read_bytes()).drop_encoding()
    return found.drop_vars([name for name in labels if name in found.coords and not found[name].ndim])


def renamed_arrays(earlier: Earlier, renames: Renames) -> xr.Dataset:
    """The arrays of an earlier file as they are called now, without its labels."""
    return renames.of_arrays(arrays(earlier.path, earlier.record["labels"]), earlier.record["settings"])


def differences(old: xr.Dataset, new: xr.Dataset) -> list[str]:
    """In what two datasets differ: variables, dimensions, types, and every bit of every value and coordinate."""
    names = sorted({*map(str, old.variables), *map(str, new.variables)})
    return [f"{name} {what}" for name in names if (what := _difference(name, old, new))]


def _difference(name: str, old: xr.Dataset, new: xr.Dataset) -> str:
    if name not in new.variables:
        return "is gone"
    if name not in old.variables:
        return "is new"
    if (name in old.coords) != (name in new.coords):
        return f"is {'a' if name in new.coords else 'no'} coordinate now"
    before, after = old.variables[name], new.variables[name]
    if before.sizes != after.sizes or before.dims != after.dims:
        return f"has dimensions {dict(after.sizes)}, and had {dict(before.sizes)}"
    if before.dtype != after.dtype:
        return f"is {after.dtype}, and was {before.dtype}"
    return _of_values(before.values, after.values)


def _of_values(before: np.ndarray, after: np.ndarray) -> str:
    """In what values of one shape and type differ, with how many of them and the largest difference."""
    before, after = np.atleast_1d(before), np.atleast_1d(after)
    differ = _bits(before) != _bits(after)
    if not differ.any():
        return ""
    text = f"differs at {int(differ.sum())} of {differ.size} values"
    if before.dtype.kind not in "fiu":
        return f"{text}: {after[differ][0]!s}, and was {before[differ][0]!s}"
    with np.errstate(invalid="ignore"):
        apart = np.abs(after[differ].astype(np.longdouble) - before[differ].astype(np.longdouble))
    known = apart[np.isfinite(apart)]
    return f"{text}, by up to {float(known.max()):.3g}" if known.size else f"{text}, where one is not finite"


def _bits(values: np.ndarray) -> np.ndarray:
    """Numbers as integers of the same bits, so that NaN is equal to itself and −0 is not 0."""
    return values.view(f"u{values.dtype.itemsize}") if values.dtype.kind in "fiu" else values


# --- adopting -----------------------------------------------------------------------------------------------------


def adopt(cell: Cell, earlier: Earlier, renames: Renames, evidence: Mapping[str, Any]) -> Path:
    """Write an earlier array under the name and with the attributes of `cell`, whole or not at all; returns its path.

    Raises a `UserError` if the disk is full and a `ValueError` if it is not what the kind of experiment promises.
    """
    record = earlier.record
    where = {key: record.get(key) for key in store.surroundings()}
    run = {key: record[key] for key in OF_THE_RUN if key in record}
    adopted = {
        "from": earlier.address,
        "store": str(earlier.path.parent.parent),
        "sha256": record["sha256"],
        "settings": record["settings"],
        "code": fingerprint(record["code"]),
        "evidence": dict(evidence),
        "before": record.get("adopted"),
    }
    return store.write(cell, renamed_arrays(earlier, renames), {**where, **run, "adopted": adopted})
