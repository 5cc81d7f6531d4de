"""Arrays are written whole or not at all, under a name that says what they are.

Expectations: the contract of DESIGN.md ("Arrays are labelled", "The store is addressed by content").
"""

import dataclasses
import errno
import fcntl
import json
import os
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from deepcredit.config.cells import Cell, cells_of
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.core.files import checksum, replacing
from deepcredit.store import store
from deepcredit.store.address import address, provenance_path
from deepcredit.store.store import broken_promises

FACTS = {"seconds": 1.0, "device": "cpu", "threads": 1}


@pytest.fixture
def cell() -> Cell:
    return cells_of("target_alignment_depth", "ci")[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "store", lambda: tmp_path / "store")
    monkeypatch.setattr(paths, "relative", lambda path: path.name)
    return tmp_path / "store"


def fitting(cell: Cell) -> xr.Dataset:
    """A dataset of ones that keeps every promise of the cell's kind."""
    variables = type(cell.config).variables
    dims = {dim for variable in variables.values() for dim in variable.dims}
    return xr.Dataset(
        {name: (variable.dims, np.ones([2] * len(variable.dims))) for name, variable in variables.items()},
        coords={dim: [0, 1] for dim in dims},
    )


def test_what_was_written_is_read_back_with_its_labels_and_settings(cell: Cell, folder: Path) -> None:
    path = store.write(cell, fitting(cell), FACTS)
    found = store.read(path)
    xr.testing.assert_equal(found.drop_vars(list(cell.labels)), fitting(cell))
    assert {name: found[name].item() for name in cell.labels} == cell.labels
    assert json.loads(found.attrs["settings"]) == cell.settings


def test_the_same_arrays_are_the_same_bytes(cell: Cell, folder: Path) -> None:
    first = store.write(cell, fitting(cell), FACTS).read_bytes()
    assert store.write(cell, fitting(cell), {**FACTS, "seconds": 2.0}).read_bytes() == first


def test_provenance_names_the_checksum_the_command_and_the_code(cell: Cell, folder: Path) -> None:
    path = store.write(cell, fitting(cell), FACTS)
    record = json.loads(provenance_path(path).read_text(encoding="utf-8"))
    assert record["sha256"] == checksum(path)
    assert record["command"] == cell.command
    assert "deepcredit.studies.prospective.experiments.target_alignment" in record["code"]
    assert record["seconds"] == 1.0


def test_another_setting_or_other_code_is_another_name(cell: Cell, folder: Path) -> None:
    other = dataclasses.replace(cell, config=dataclasses.replace(cell.config, seed=[5]))
    names = {address(c.experiment, c.name, c.settings, code).name for c in (cell, other) for code in ("one", "two")}
    assert len(names) == 4


def test_a_broken_promise_is_named_and_nothing_is_written(cell: Cell, folder: Path) -> None:
    name = next(iter(type(cell.config).variables))
    with pytest.raises(ValueError, match=f"variable {name} is missing"):
        store.write(cell, fitting(cell).drop_vars(name), FACTS)
    assert not list(folder.rglob("*.*"))


def test_a_value_that_is_not_finite_breaks_the_promise() -> None:
    (cell,) = cells_of("interference", "ci")
    finite = [n for n, v in type(cell.config).variables.items() if v.finite]
    dataset = fitting(cell)
    dataset[finite[0]][:] = np.nan
    assert broken_promises(cell.kind, dataset) == [f"{finite[0]} is not finite everywhere"]


def test_a_damaged_file_is_named_with_the_remedy(cell: Cell, folder: Path) -> None:
    path = store.write(cell, fitting(cell), FACTS)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"is damaged; delete it and run `snakemake` again"):
        store.read(path)


@pytest.mark.parametrize("lock", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_an_array_that_another_process_has_locked_is_read(cell: Cell, folder: Path, lock: int) -> None:
    path = store.write(cell, fitting(cell), FACTS)
    with path.open("rb") as other:
        fcntl.flock(other, lock)
        xr.testing.assert_equal(store.read(path).drop_vars(list(cell.labels)), fitting(cell))


def test_an_array_that_cannot_be_read_now_is_not_called_damaged(
    cell: Cell, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.write(cell, fitting(cell), FACTS)

    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PermissionError):
        store.read(path)


def fail_half_way(target: Path) -> None:
    with replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(RuntimeError):
        fail_half_way(target)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no space left for a.json; make room"), replacing(tmp_path / "a.json"):
        raise OSError(28, "No space left on device")


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    gone = subprocess.Popen(["true"])
    gone.wait()
    orphan = tmp_path / f".a.json.{socket.gethostname()}.{gone.pid}.json"
    living = tmp_path / f".a.json.{socket.gethostname()}.{os.getppid()}.json"
    orphan.write_text("half")
    living.write_text("half")
    with replacing(target) as temporary:
        temporary.write_text("whole")
    assert not orphan.exists()
    assert living.exists()
    assert target.read_text() == "whole"
