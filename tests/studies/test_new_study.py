"""`deepcredit new-study` writes a whole skeleton or nothing, and says in one line why.

Expectations: Python's rules for names; what the project already has.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from deepcredit import cli
from deepcredit.core import paths

REFUSED = {
    "My_paper": "a Python identifier in lower case",
    "my-paper": "a Python identifier in lower case",
    "3d": "a Python identifier in lower case",
    "my_paper_": "a Python identifier in lower case",
    "": "a Python identifier in lower case",
    "class": "a Python identifier in lower case",
    "mupc": "there is a study 'mupc' already",
    "deep_linear": "there is a kind of experiment 'deep_linear' already",
    "numpy": "`import numpy` finds another module",
}


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line of a command that has to fail."""
    assert cli.main(["new-study", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_cannot_be_one_or_is_taken_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert REFUSED[name] in complaint(capsys, name, "--into", str(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_is_there_already_is_left_as_it_is(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "my_paper"
    there.mkdir() if what == "folder" else there.write_text("mine")
    assert "is there already" in complaint(capsys, "my_paper", "--into", str(tmp_path))
    assert list(tmp_path.rglob("*")) == [there]


def test_a_file_where_the_folder_should_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot write into" in complaint(capsys, "my_paper", "--into", str(tmp_path / "file"))


def test_a_skeleton_that_cannot_be_finished_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        if path.name == "experiment.py":
            raise OSError(28, "No space left on device")
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    assert "No space left on device" in complaint(capsys, "my_paper", "--into", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_skeleton_is_in_the_project_s_own_style(skeleton: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.is_file():
        pytest.skip("ruff is not installed beside this Python")
    for command in (["check"], ["format", "--check"]):
        words = [ruff, *command, "--no-cache", "--config", paths.root() / "pyproject.toml", "."]
        done = subprocess.run(words, cwd=skeleton, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
