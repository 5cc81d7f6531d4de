"""The planting of wrong equations itself: every pattern of the table still fits, and an unnoticed one is reported."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load() -> ModuleType:
    """The script that `make mutants` runs."""
    spec = importlib.util.spec_from_file_location("plant", Path(__file__).with_name("plant.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["plant"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


plant = load()


@pytest.mark.parametrize("mutant", plant.read(), ids=lambda mutant: mutant.wrong)
def test_every_pattern_of_the_table_occurs_once(mutant) -> None:
    assert plant.pattern_error(mutant) is None


def mutant(**changed: str):
    """Halving that does not halve, in a project of one function."""
    fields = {"wrong": "no half", "file": "src/half.py", "pattern": "x / 2", "replacement": "x", "tests": "tests"}
    return plant.Mutant(**(fields | changed))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one function with a test that holds for it."""
    for folder in ("src", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "src" / "half.py").write_text("def half(x):\n    return x / 2\n\n\nONE = 1\n")
    (tmp_path / "tests" / "test_half.py").write_text(
        "from half import half\n\n\ndef test():\n    assert half(4) == 2\n"
    )
    return tmp_path


def test_a_wrong_equation_that_fails_its_test_is_noticed(project: Path) -> None:
    assert plant.unnoticed(mutant(), project) is None


def test_a_change_that_no_test_notices_is_reported(project: Path) -> None:
    change = mutant(pattern="ONE = 1", replacement="ONE = 2")
    assert plant.unnoticed(change, project) == "no test in tests noticed it"


def test_a_change_that_keeps_the_tests_from_running_does_not_count(project: Path) -> None:
    assert "did not run (exit code 2)" in plant.unnoticed(mutant(replacement="x +"), project)


def test_the_project_itself_is_left_alone(project: Path) -> None:
    plant.unnoticed(mutant(), project)
    assert "x / 2" in (project / "src" / "half.py").read_text()


def test_a_pattern_that_is_gone_or_not_unique_is_reported(project: Path) -> None:
    gone = plant.pattern_error(mutant(pattern="x / 3"), project)
    assert gone == "its pattern occurs 0 times in src/half.py, not once"
    (project / "src" / "half.py").write_text("x / 2\nx / 2\n")
    assert plant.pattern_error(mutant(), project) == "its pattern occurs 2 times in src/half.py, not once"


def test_a_file_that_is_gone_is_reported(project: Path) -> None:
    assert plant.pattern_error(mutant(file="src/third.py"), project) == "there is no src/third.py"
