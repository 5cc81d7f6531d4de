"""Plant wrong equations, one at a time, and check that a test notices each. Run as `make mutants`.

`mutants.toml` lists them: what is wrong, in which file, the right text and the wrong one that replaces it, and the
tests that must fail. The wrong text goes into a copy of the project, never into the project itself.
Exit code 1 where a wrong equation passes its tests, where a pattern no longer occurs exactly once, or where the tests
fail without it. `make mutants ARGS="energy --jobs 1"` plants only those with `energy` in their description or file.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("mutants.toml")
COPIED = ("src", "tests", "conf", "workflow", "tools", "pyproject.toml", "Snakefile")
#: pytest's exit codes
PASSED, FAILED = 0, 1


@dataclass(frozen=True)
class Mutant:
    """One wrong equation: `pattern`, which occurs once in `file`, becomes `replacement`; `tests` must then fail."""

    wrong: str
    file: str
    pattern: str
    replacement: str
    tests: str

    def planted(self, text: str) -> str:
        """The file's text with the wrong equation. Raises `ValueError` unless the pattern occurs exactly once."""
        if (found := text.count(self.pattern)) != 1:
            raise ValueError(f"its pattern occurs {found} times in {self.file}, not once")
        return text.replace(self.pattern, self.replacement)


def read(table: Path = TABLE) -> list[Mutant]:
    """All mutants of the table; a key that is missing or not known is an error."""
    return [Mutant(**entry) for entry in tomllib.loads(table.read_text())["mutant"]]


def pattern_error(mutant: Mutant, project: Path = PROJECT) -> str | None:
    """Why the mutant cannot be planted, or None."""
    path = project / mutant.file
    if not path.is_file():
        return f"there is no {mutant.file}"
    try:
        mutant.planted(path.read_text())
    except ValueError as error:
        return str(error)
    return None if (project / mutant.tests.split("::")[0]).exists() else f"there is no {mutant.tests}"


def copy(project: Path, target: Path) -> None:
    """Copy what the tests need of the project."""
    for name in COPIED:
        source = project / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        elif source.is_file():
            shutil.copy2(source, target / name)


def run_tests(project: Path, tests: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run tests in a copy, which is imported in place of the installed package; stops at the first failure."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(project / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "DEEPCREDIT_DATA": os.environ.get("DEEPCREDIT_DATA", str(PROJECT / "data")),
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def unnoticed(mutant: Mutant, project: Path = PROJECT) -> str | None:
    """Plant one mutant in a fresh copy: None if its tests fail, else what happened instead."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        target = Path(folder)
        copy(project, target)
        path = target / mutant.file
        path.write_text(mutant.planted(path.read_text()))
        done = run_tests(target, [mutant.tests])
    if done.returncode == FAILED:
        return None
    if done.returncode == PASSED:
        return f"no test in {mutant.tests} noticed it"
    return f"{mutant.tests} did not run (exit code {done.returncode}): {done.stdout.strip()[-600:]}"


def baseline_error(mutants: Sequence[Mutant]) -> str | None:
    """Why the tests would fail without any mutant, or None. Also proves that the copy is what is imported."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        project = Path(folder)
        copy(PROJECT, project)
        (project / "test_imported_copy.py").write_text(
            f"import deepcredit\n\ndef test_copy():\n    assert deepcredit.__file__.startswith({str(project)!r})\n"
        )
        done = run_tests(project, ["test_imported_copy.py", *sorted({mutant.tests for mutant in mutants})])
    return None if done.returncode == PASSED else f"the tests fail without any mutant:\n{done.stdout.strip()[-2000:]}"


def report(mutants: Sequence[Mutant], jobs: int) -> int:
    """Plant all, print a line each, return how many were not noticed."""
    failures = 0
    with ThreadPoolExecutor(jobs) as pool:
        for mutant, error in zip(mutants, pool.map(unnoticed, mutants), strict=True):
            print(f"{'NOT NOTICED' if error else 'noticed'}: {mutant.wrong} ({mutant.file})", flush=True)
            if error:
                print(f"    {error}", flush=True)
            failures += error is not None
    return failures


def main(arguments: Sequence[str] | None = None) -> int:
    """Check patterns, run the tests without a mutant, then with each."""
    parser = argparse.ArgumentParser(description="Plant wrong equations and check that a test notices each.")
    parser.add_argument("select", nargs="?", default="", help="plant only mutants whose description or file has this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    options = parser.parse_args(arguments)
    mutants = [mutant for mutant in read() if options.select in f"{mutant.wrong} {mutant.file}"]
    if not mutants:
        parser.error(f"no mutant has {options.select!r} in its description or file")
    errors = [f"{mutant.wrong}: {error}" for mutant in mutants if (error := pattern_error(mutant))]
    if not errors and (error := baseline_error(mutants)):
        errors.append(error)
    if errors:
        print("\n".join(errors), file=sys.stderr)
        return 1
    failures = report(mutants, options.jobs)
    print(f"{len(mutants) - failures} of {len(mutants)} wrong equations noticed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
