"""A full disk, two builds at once, and a store that two clones share.

Expectations: what README.md promises: one clear message, no damaged array, and the same bytes as without the trouble.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import xarray as xr

from tests.clones import Clone

pytestmark = [pytest.mark.xdist_group("hostile"), pytest.mark.timeout(900)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_a_clear_message_and_no_damaged_array(clone: Clone, small_disk: Path, tmp_path: Path) -> None:
    shutil.move(clone.root / "results" / "cache", small_disk)
    (clone.root / "results").rmdir()
    (clone.root / "results").symlink_to(small_disk)
    target = ("-m", "snakemake", "--cores", "1", "interference", "--config", "scale=ci")
    assert clone.run(*target, "--dry-run").returncode == 0
    # with the caches of planning written: room for logs, but not for an array
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * (shutil.disk_usage(small_disk).free - 12 * 2**10))
    compute = clone.run("-m", "deepcredit", "compute", "experiment=interference")
    assert compute.returncode == 2, compute.stderr
    assert re.search(r"no space left for \S+\.nc;", compute.stderr), compute.stderr
    assert "make room and run `snakemake` again" in compute.stderr
    assert not list(small_disk.rglob("*.nc"))
    assert not list(small_disk.rglob(".*"))
    assert clone.run(*target).returncode != 0
    ballast.unlink()
    done = clone.run(*target)
    assert done.returncode == 0, done.stderr[-4000:]
    for path in small_disk.rglob("*.nc"):
        xr.load_dataset(path, engine="h5netcdf")
    assert (small_disk / "ci" / "figures" / "prospective" / "interference.png").is_file()


def test_a_second_build_in_one_clone_stops_at_the_lock_of_the_first(clone: Clone) -> None:
    command = clone.command("-m", "snakemake", "--cores", "1", "dln_modes", "interference", "--config", "scale=ci")
    first = subprocess.Popen(
        command, cwd=clone.root, env=clone.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    locks = clone.root / ".snakemake" / "locks"
    while first.poll() is None and not (locks.is_dir() and any(locks.iterdir())):
        time.sleep(0.02)
    second = subprocess.run(command, cwd=clone.root, env=clone.environment, capture_output=True, text=True)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout + second.stderr
    assert first.wait() == 0
    assert clone.planned("dln_modes", "interference") == {}


def test_two_clones_that_share_a_store_do_not_harm_each_other(built_project: Clone, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    clones = [built_project.copy(tmp_path / name) for name in ("one", "two")]
    for clone in clones:
        (clone.root / "results" / "store").symlink_to(store)
    words = ("-m", "snakemake", "--cores", "1", "target_alignment_depth", "interference", "--config", "scale=ci")
    builds = [
        subprocess.Popen(
            clone.command(*words),
            cwd=clone.root,
            env=clone.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for clone in clones
    ]
    outputs = [build.communicate()[0] for build in builds]
    for build, output in zip(builds, outputs, strict=True):
        assert build.returncode == 0, output[-4000:]
    shared, alone = clones[0].arrays(), built_project.arrays()
    experiments = {p.parent.name for p in store.rglob("*.nc")}
    assert experiments >= {"target_alignment_depth", "interference"}
    assert shared == {name: alone[name] for name in shared}
    assert not list(store.rglob(".*"))
