"""The ways to install give one set of versions: pyproject.toml, the lock file, conda, and what runs these tests."""

import importlib.util
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).parents[2]
LOCK = (PROJECT / "requirements.lock").read_text()
TORCH = (PROJECT / "requirements-torch.txt").read_text()
CONDA = (PROJECT / "environment.yml").read_text()


@pytest.fixture(scope="module")
def lock_tool() -> ModuleType:
    """The script that `make lock` runs."""
    spec = importlib.util.spec_from_file_location("lock", PROJECT / "tools" / "lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(text: str) -> dict[str, str]:
    """Version of each package that a text pins, in the lines of pip and in the quotes of conda and pyproject."""
    found = re.findall(r'^[\s"-]*([A-Za-z0-9._-]+)==([^\s";\\]+)', text, flags=re.MULTILINE)
    return {name.lower().replace("_", "-"): number for name, number in found}


def direct() -> dict[str, str]:
    """What pyproject.toml asks for by name: the package's own dependencies and the tools to develop it."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return pins("\n".join(project["dependencies"] + project["optional-dependencies"]["dev"]))


def test_every_direct_dependency_is_pinned_and_locked_at_that_version() -> None:
    asked = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert len(direct()) == len(asked["dependencies"]) + len(asked["optional-dependencies"]["dev"])
    locked = pins(LOCK) | pins(TORCH)
    assert {name: locked.get(name) for name in direct()} == direct()


def test_conda_gets_the_versions_of_the_lock_file() -> None:
    assert pins(CONDA) == pins(LOCK) | pins(TORCH)


def test_conda_keeps_the_lock_files_platform_markers(lock_tool: ModuleType) -> None:
    listed = re.findall(r'^      - "(.*)"$', CONDA, flags=re.MULTILINE)
    assert sorted(listed) == sorted(lock_tool.pins(LOCK) + lock_tool.pins(TORCH))


def test_every_locked_package_has_hashes(lock_tool: ModuleType) -> None:
    blocks = lock_tool.blocks(LOCK)
    assert len(blocks) == len(pins(LOCK))
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_torch_and_its_cuda_libraries_are_not_in_the_lock_file(lock_tool: ModuleType) -> None:
    assert [name for name in pins(LOCK) if lock_tool.TORCH.match(f"{name}==")] == []


@pytest.mark.parametrize("text", [LOCK, TORCH, CONDA], ids=["lock", "torch", "conda"])
def test_no_address_or_path_is_written_down(text: str) -> None:
    assert re.findall(r"https?://\S+|file:\S+|--(?:extra-)?index-url|--find-links|\s/\w+/\S+", text) == []


def test_the_environment_that_runs_this_is_the_one_asked_for() -> None:
    installed = {name: version(name).split("+")[0] for name in direct()}
    assert installed == direct()
