"""Which CUDA device a job computes on: one that is there, that it was given, that no other job has; or the CPU.

Expectations: the form of `nvidia-smi --list-gpus`, CUDA's rules for CUDA_VISIBLE_DEVICES, and the promise of one job a
device.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

import pytest
import torch

from deepcredit.config.schema import Accelerator
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.jobs.compute import compute
from deepcredit.plan import devices, machine
from deepcredit.store.provenance import array_record

TWO = """GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-1a)
GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-1b)
"""
#: the first in two instances
CUT = """GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-1a)
  MIG 3g.40gb     Device  0: (UUID: MIG-2a)
  MIG 3g.40gb     Device  1: (UUID: MIG-2b)
GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-1b)
"""

CPU_KIND = "experiment=interference", "inference.n_steps=2", "optimizer.n_steps=2"
CUDA_KIND = "experiment=mupc_depth", "scale=ci", "model.n_hidden=2", "model.act_fn=tanh"


@pytest.fixture(autouse=True)
def machine_of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with two devices, and a process that has none yet."""
    monkeypatch.setattr(devices, "torch_has_cuda", lambda: True)
    monkeypatch.setattr(devices, "_listing", lambda: TWO)
    monkeypatch.setattr(devices, "_folder", lambda: tmp_path)
    monkeypatch.setattr(devices, "_held", {})
    monkeypatch.setattr(devices, "PATIENCE", 0.01)
    monkeypatch.setattr(
        os, "environ", {k: v for k, v in os.environ.items() if k not in (devices.VISIBLE, "SLURM_JOB_ID")}
    )
    yield
    for file in devices._held.values():
        file.close()


def taken_by_another(device: str) -> IO[str]:
    """The lock of a device as another process holds it, until it is closed."""
    file = (devices._folder() / device).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file


# --- which there are ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listing", "visible", "expected"),
    [
        (TWO, None, ("GPU-1a", "GPU-1b")),
        (TWO, "1", ("GPU-1b",)),
        (TWO, "1,0", ("GPU-1b", "GPU-1a")),
        (TWO, "GPU-1b", ("GPU-1b",)),
        (TWO, "0,7,1", ("GPU-1a",)),  # what follows one that there is not counts for nothing
        (TWO, "", ()),
        (TWO, "-1", ()),
        (TWO, "NoDevFiles", ()),
        (CUT, None, ("MIG-2a", "MIG-2b", "GPU-1b")),
        (CUT, "MIG-2b", ("MIG-2b",)),
        ("", None, ()),
    ],
)
def test_devices_are_those_that_cuda_sees(
    listing: str, visible: str | None, expected: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_listing", lambda: listing)
    if visible is not None:
        os.environ[devices.VISIBLE] = visible
    assert devices.visible() == expected


def test_a_torch_without_cuda_has_no_use_for_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\ncat <<'END'\n{TWO}END\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    assert devices.torch_has_cuda() == (torch.version.cuda is not None)
    for built, expected in ((True, ("GPU-1a", "GPU-1b")), (False, ())):
        monkeypatch.setattr(devices, "torch_has_cuda", lambda built=built: built)
        assert devices.visible() == expected


def test_jobs_share_the_devices_that_there_are_or_fewer() -> None:
    assert [devices.for_jobs(asked) for asked in (None, 0, 1, 2)] == [2, 0, 1, 2]
    with pytest.raises(UserError, match="--resources gpu=4 is not valid; allowed: 0 to 2, the CUDA devices here"):
        devices.for_jobs(4)


# --- one job a device ---------------------------------------------------------------------------------------------


def test_a_job_has_a_device_to_itself_and_sees_no_other() -> None:
    with taken_by_another("GPU-1a"):
        assert devices.placed(Accelerator.cuda) is Accelerator.cuda
    assert os.environ[devices.VISIBLE] == "GPU-1b"
    assert devices.placed(Accelerator.cuda) is Accelerator.cuda  # a second cell of the same job
    assert os.environ[devices.VISIBLE] == "GPU-1b"
    with pytest.raises(BlockingIOError):
        taken_by_another("GPU-1b")


def test_where_no_device_is_free_auto_takes_the_cpu_and_cuda_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = taken_by_another("GPU-1a"), taken_by_another("GPU-1b")
    assert devices.placed(Accelerator.auto) is Accelerator.cpu
    assert devices.VISIBLE not in os.environ
    monkeypatch.setattr(devices.time, "sleep", lambda seconds: second.close())
    assert devices.placed(Accelerator.cuda) is Accelerator.cuda
    assert os.environ[devices.VISIBLE] == "GPU-1b"
    first.close()


def test_a_device_is_free_again_when_its_job_is_killed() -> None:
    script = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, 2); print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", script, str(devices._folder() / "GPU-1a")]
    os.environ[devices.VISIBLE] = "GPU-1a"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as job:
        assert job.stdout is not None
        job.stdout.readline()
        assert devices.placed(Accelerator.auto) is Accelerator.cpu
        job.kill()
        job.wait()
        assert devices.placed(Accelerator.auto) is Accelerator.cuda


# --- what a job was given -----------------------------------------------------------------------------------------


def test_auto_takes_no_device_that_a_job_of_slurm_did_not_ask_for() -> None:
    os.environ["SLURM_JOB_ID"] = "17"
    assert devices.placed(Accelerator.auto) is Accelerator.cpu
    os.environ[devices.VISIBLE] = "1"
    assert devices.placed(Accelerator.auto) is Accelerator.cuda
    assert os.environ[devices.VISIBLE] == "GPU-1b"


@pytest.mark.parametrize(
    ("listing", "visible", "built", "why"),
    [
        ("", None, True, "`nvidia-smi --list-gpus` names no device"),
        (TWO, "5", True, "`nvidia-smi --list-gpus` names no device that CUDA_VISIBLE_DEVICES=5 leaves visible"),
        ("", None, False, "torch is installed without CUDA"),
    ],
)
def test_cuda_where_there_is_none_is_an_error(
    listing: str, visible: str | None, built: bool, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_listing", lambda: listing)
    monkeypatch.setattr(devices, "torch_has_cuda", lambda: built)
    if visible is not None:
        os.environ[devices.VISIBLE] = visible
    with pytest.raises(UserError, match=f"trainer.accelerator=cuda is not possible here: {why}$"):
        devices.placed(Accelerator.cuda)
    assert devices.placed(Accelerator.auto) is Accelerator.cpu


# --- what is computed ---------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with the present configs."""
    root = tmp_path / "project"
    (root / "results").mkdir(parents=True)
    (root / "conf").symlink_to(paths.conf())
    monkeypatch.setattr(paths, "root", lambda: root)
    return root


def start_of_cuda(*arguments: object, **named: object) -> NoReturn:
    raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nmore of it")


def test_what_computes_on_the_cpu_neither_starts_cuda_nor_waits_for_a_device(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both devices are in exclusive mode, of other processes: whoever starts CUDA fails."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_lazy_init", start_of_cuda)
    with taken_by_another("GPU-1a"), taken_by_another("GPU-1b"):
        (path,) = compute(CPU_KIND)
    record = array_record(path)
    assert record is not None
    assert record["device"] == "cpu"
    assert set(machine._known().popitem()[1]) == {machine.CORE}


def test_what_computes_on_the_cpu_refuses_a_device(project: Path) -> None:
    with pytest.raises(UserError, match=r"accelerator='cuda' is not valid; allowed: auto or cpu, since interf"):
        list(compute([*CPU_KIND, "trainer.accelerator=cuda"]))
    assert list(project.rglob("*.nc")) == []


def test_a_device_that_does_not_answer_is_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "zeros", start_of_cuda)
    with pytest.raises(UserError, match=r"does not answer \(CUDA error: all CUDA-capable devices are busy or unavail"):
        list(compute([*CUDA_KIND, "trainer.accelerator=cuda"]))
