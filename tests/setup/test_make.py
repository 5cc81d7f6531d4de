"""`make` explains itself, and refuses a Python that the project does not run on in one line."""

import re
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]
MAKEFILE = (PROJECT / "Makefile").read_text()


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in the project's folder, outside any make that runs these tests."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def test_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)
    assert phony is not None
    shown = re.findall(r"^  ([a-z]+) +\S", make("help").stdout, flags=re.MULTILINE)
    assert sorted(shown) == sorted(phony[1].split())


def test_help_is_what_make_alone_does() -> None:
    assert make().stdout == make("help").stdout


def test_a_python_that_does_not_fit_is_refused_in_one_line(tmp_path: Path) -> None:
    stamp = tmp_path / "none"
    refused = make("env", "PYTHON=no-such-python", f"PACKAGES={stamp}", f"PROJECT={stamp}-project")
    assert refused.returncode == 2
    errors = [line for line in refused.stderr.splitlines() if not line.startswith("make")]
    assert len(errors) == 1
    assert errors[0].startswith("error: PYTHON='no-such-python' is not a Python 3.11-3.13 with venv and pip; install")
    assert list(tmp_path.iterdir()) == []
