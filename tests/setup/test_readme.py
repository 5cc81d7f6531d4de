"""The documents name what is there."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_every_test_folder_has_a_row_in_the_table() -> None:
    table = set(re.findall(r"^\| `(\w+)` \|", (PROJECT / "tests" / "README.md").read_text(), flags=re.MULTILINE))
    folders = {path.parent.relative_to(PROJECT / "tests").parts[0] for path in (PROJECT / "tests").glob("*/test_*.py")}
    assert sorted(folders - table) == []


def test_every_path_that_the_readme_names_exists() -> None:
    """Paths in backquotes that begin in a committed folder; those with a <placeholder> only up to it."""
    named = re.findall(r"`((?:conf|src|docs|tests|workflow)/[^`<]*)", (PROJECT / "README.md").read_text())
    assert [name for name in named if not (PROJECT / name).exists()] == []


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z]+)", re.sub(r"```|`", "\n", (PROJECT / "README.md").read_text())))
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    assert sorted(named - targets - {"nothing"}) == []
