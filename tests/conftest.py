"""Options and fixtures of all tests."""

from pathlib import Path

import pytest
import torch

OWN_ORACLES = Path(__file__).parent / "oracles" / "given"


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
