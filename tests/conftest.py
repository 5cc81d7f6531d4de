"""Options and fixtures of all tests."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.clones import TARGETS, Clone, copy_project
from tests.gpu.pretend import Device, pretended
from tests.gpu.tensors import CUDA

OWN_ORACLES = Path(__file__).parent / "oracles" / "given"
#: whether torch finds a CUDA device, before any is pretended
CUDA_IS_THERE = torch.cuda.is_available()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--oracles", type=Path, default=OWN_ORACLES, metavar="DIR", help="folder of .npz files for test_oracles.py"
    )
    parser.addoption("--page", type=Path, metavar="FILE", help="a built index.html for tests/page/test_page.py to open")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "oracle_file" in metafunc.fixturenames:
        folder = metafunc.config.getoption("--oracles")
        files = sorted(folder.glob("*.npz"))
        if not files:
            raise pytest.UsageError(f"--oracles {folder}: no .npz file in this folder")
        metafunc.parametrize("oracle_file", files, ids=[f.stem for f in files])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


# --- a CUDA device ------------------------------------------------------------------------------------------------


def pytest_itemcollected(item: pytest.Item) -> None:
    """`pytest -m cuda` selects the tests of the CUDA path."""
    if {"cuda", "pretended_cuda"} & set(getattr(item, "fixturenames", ())):
        item.add_marker("cuda")


@pytest.fixture
def _as_in_a_job(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Deterministic, as training is."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("error")
    yield
    torch.set_deterministic_debug_mode(before)


@pytest.fixture
def pretended_cuda(_as_in_a_job: None) -> Iterator[Device]:
    """The pretended CUDA device, for tests that read its counters or set its capacity."""
    if CUDA_IS_THERE:
        pytest.skip("counters and capacity are the pretended device's, and there is a real one")
    with pretended() as device:
        yield device


@pytest.fixture
def cuda(request: pytest.FixtureRequest, _as_in_a_job: None) -> torch.device:
    """A CUDA device: a real one where torch finds one, else the pretended."""
    if not CUDA_IS_THERE:
        request.getfixturevalue("pretended_cuda")
    return CUDA


# --- one build that tests share -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Only one process of the tests at a time."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def shared_build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, float]:
    """`built_project`, and the seconds that its build took."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    root, seconds = shared / "built", shared / "built.seconds"
    with _alone(shared / "built.lock"):
        if not seconds.exists():
            shutil.rmtree(root, ignore_errors=True)
            started = time.monotonic()
            copy_project(root).snakemake(*TARGETS)
            seconds.write_text(str(time.monotonic() - started))
    return Clone(root), float(seconds.read_text())


@pytest.fixture(scope="session")
def built_project(shared_build: tuple[Clone, float]) -> Clone:
    """`TARGETS` built at scale=ci from nothing, once for all processes of the tests; to be copied, not changed."""
    return shared_build[0]


@pytest.fixture
def clone(built_project: Clone, tmp_path: Path) -> Clone:
    """A clone without results."""
    return built_project.copy(tmp_path / "clone")
