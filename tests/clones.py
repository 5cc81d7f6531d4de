"""A copy of the project to edit and build in, apart from the one under test."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deepcredit.core import paths
from deepcredit.data.files import root as data_root

#: figures that the fixture `built_project` holds: those that any test builds
TARGETS = (
    "target_alignment_depth",
    "target_alignment_init",
    "interference",
    "tp_subspaces",
    "dln_modes",
    "dln_loss",
    "dln_rsm",
)

COPIED = ("Snakefile", "conf", "src", "workflow", "profiles", "pyproject.toml", "environment.yml")


@dataclass(frozen=True)
class Clone:
    """The project's sources in a folder of their own, with commands that run in it."""

    root: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the clone, on the clone's own code."""
        return subprocess.run(
            self.command(*arguments), cwd=self.root, env=self.environment, capture_output=True, text=True
        )

    def command(self, *arguments: str) -> list[str]:
        """The words of a Python command."""
        return [sys.executable, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command that runs on the clone's own code."""
        return {**os.environ, "PYTHONPATH": str(self.root / "src"), "DEEPCREDIT_DATA": str(data_root())}

    def snakemake(self, *arguments: str, scale: str = "ci", **config: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake in the clone; fails the test where Snakemake fails."""
        settings = [f"{key}={value}" for key, value in {"scale": scale, **config}.items()]
        done = self.run("-m", "snakemake", "--cores", "2", *arguments, "--config", *settings)
        assert done.returncode == 0, done.stderr[-6000:]
        return done

    def planned(self, *targets: str, **config: str) -> dict[str, int]:
        """Rule → number of jobs that Snakemake would run."""
        return jobs(self.snakemake("--dry-run", *targets, **config))

    def arrays(self) -> dict[str, bytes]:
        """The bytes of every array of its store, by file name."""
        return {p.name: p.read_bytes() for p in sorted((self.root / "results" / "store").rglob("*.nc"))}

    def copy(self, destination: Path, *, results: bool = False) -> "Clone":
        """Its sources in a folder of their own, with what was compiled and planned; with all results if wanted."""
        for name in (*COPIED, *(("results", ".snakemake") if results else ("results/cache",))):
            _copy(self.root / name, destination / name)
        return Clone(destination)

    def edit(self, path: Path, old: str, new: str) -> None:
        """Replace the first `old` in a file, which must be there."""
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {path.name}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


def jobs(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The table of jobs that Snakemake prints, as far as they compute or draw."""
    output = done.stdout + done.stderr
    if "Nothing to be done" in output:
        return {}
    table = output.split("Job stats:")[1]
    rows = re.findall(r"^(\w+)\s+(\d+)$", table.split("total")[0], re.MULTILINE)
    return {rule: int(count) for rule, count in rows if rule.startswith(("compute_", "draw_"))}


def copy_project(destination: Path) -> Clone:
    """A clone of the project under test as it comes from the repository: nothing compiled, planned or built."""
    for name in COPIED:
        _copy(paths.root() / name, destination / name, "__pycache__", "*.egg-info")
    return Clone(destination)


def _copy(source: Path, destination: Path, *ignored: str) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, destination, symlinks=True, ignore=shutil.ignore_patterns(*ignored))
    else:
        shutil.copy2(source, destination, follow_symlinks=False)
