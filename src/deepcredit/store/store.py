"""The content-addressed store: one labelled netCDF file a cell, one provenance file beside it, both written whole.

The file's name carries a digest of the cell's settings and of the code that computes it, so a changed setting or
changed code is another file, and going back finds the old one.
"""

import contextlib
import datetime
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from deepcredit.config.cells import Cell
from deepcredit.config.studies import schema_of
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.core.files import checksum, replacing, write_text
from deepcredit.store import netcdf
from deepcredit.store.address import path_of, provenance_path
from deepcredit.store.fingerprint import code_of_cell, fingerprint
from deepcredit.store.processor import processor

#: packages whose version can change a number or a picture
PACKAGES = ("torch", "numpy", "scipy", "xarray", "h5py", "h5netcdf", "matplotlib", "pytorch-lightning")

#: arrays of at least this many bytes are compressed
COMPRESS_FROM = 1 << 16


def write(cell: Cell, dataset: xr.Dataset, facts: Mapping[str, Any]) -> Path:
    """Write the arrays of a cell and their provenance; returns the path.

    `facts` are what the caller knows of the run (seconds, device, threads). Raises a `UserError` if the disk is full
    and a `ValueError` if the dataset is not what the kind of experiment promises; nothing is left behind then.
    """
    code = code_of_cell(cell.config)
    path = path_of(cell)
    _keep_promise(cell, dataset)
    labelled = dataset.assign_coords(cell.labels)
    labelled.attrs = {
        "experiment": cell.experiment,
        "kind": cell.kind,
        "settings": json.dumps(cell.settings, sort_keys=True, ensure_ascii=False),
        "code": fingerprint(code),
    }
    # by way of memory, since HDF5 crashes the process where a disk is full
    content = labelled.to_netcdf(engine="h5netcdf", encoding=_encoding(labelled))
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        record = {
            "file": path.name,
            "sha256": checksum(temporary),
            "experiment": cell.experiment,
            "labels": cell.labels,
            "command": cell.command,
            "settings": cell.settings,
            "code": code,
            **surroundings(),
            **facts,
        }
        write_text(provenance_path(path), json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return path


def read(path: Path) -> xr.Dataset:
    """The arrays of a cell, loaded. Raises a `UserError` that says what to do if the file is absent or damaged.

    Raises an `OSError` if it cannot be read now, which says nothing of what is in it.
    """
    if not path.is_file():
        raise UserError(f"{paths.relative(path)} is not in the store; run `snakemake` to compute it")
    try:
        return netcdf.parsed(path.read_bytes())
    except netcdf.DamagedError as error:
        raise UserError(f"{paths.relative(path)} is damaged; delete it and run `snakemake` again") from error


def read_all(paths_by_role: Mapping[str, Sequence[str]]) -> dict[str, list[xr.Dataset]]:
    """The arrays at paths written from the project's root, by role. Raises a `UserError` as `read` does."""
    return {role: [read(paths.root() / path) for path in found] for role, found in paths_by_role.items()}


def surroundings() -> dict[str, Any]:
    """Where and with what something was computed: provenance only, never part of an array."""
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _encoding(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    large = [n for n, v in dataset.variables.items() if v.dtype.kind in "fiu" and v.nbytes >= COMPRESS_FROM]
    return {str(name): {"zlib": True, "complevel": 4, "shuffle": True} for name in large}


def broken_promises(kind: str, dataset: xr.Dataset) -> Sequence[str]:
    """In what a dataset differs from what its kind of experiment promises: variables, dimensions, finite values."""
    promised = schema_of(kind).variables
    faults = [f"variable {name} is missing" for name in promised if name not in dataset]
    faults += [f"variable {name} is not promised" for name in dataset.data_vars if name not in promised]
    for name, variable in promised.items():
        if name not in dataset:
            continue
        array = dataset[name]
        if array.dims != variable.dims:
            faults.append(f"{name} has dimensions {array.dims}, promised {variable.dims}")
        elif variable.finite and array.dtype.kind == "f" and not bool(np.isfinite(array.values).all()):
            faults.append(f"{name} is not finite everywhere")
        faults += [f"{name} has no coordinate {dim}" for dim in variable.dims if dim not in dataset.coords]
    return faults


def _keep_promise(cell: Cell, dataset: xr.Dataset) -> None:
    faults = broken_promises(cell.kind, dataset)
    if faults:
        raise ValueError(f"{cell.experiment} ({cell.name}): {'; '.join(faults)}")
