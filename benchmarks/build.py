"""Where the processor time of a fresh build goes: cells, drawing, starting, Snakemake itself; in all and by rule.

    python benchmarks/build.py FOLDER [--scale quick] [--cores 1] [--at COMMIT]

Clones the project into FOLDER, which must not be there yet, as it is at COMMIT (the last one), and builds the scale in
it with the packages of this environment and the data of this project. What is built stays there. Seconds are those of
processes on the processor, not on the clock, so that other work on the machine changes little.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepcredit.core import paths
from deepcredit.data.files import root as data_root

METER = Path(__file__).resolve().parent / "meter"

#: what the commands that jobs run are counted as; any other command is one of the last kind
KINDS = {"snakemake": "Snakemake", "compute": "cells", "draw": "drawing", "": "page, data"}


@dataclass(frozen=True)
class Process:
    """One Python process of a build; times in seconds of the processor, `work` without `starting`."""

    kind: str
    rule: str
    work: float
    starting: float


def build(folder: Path, scale: str, cores: int, at: str) -> float:
    """Clone and build; returns the seconds that all processes of the build took on the processor."""
    subprocess.run(["git", "clone", "--quiet", str(paths.root()), str(folder)], check=True)
    subprocess.run(["git", "checkout", "--quiet", at], cwd=folder, check=True)
    _records(folder).mkdir(parents=True)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder / "src"), str(METER)]),
        "METER": str(_records(folder)),
        "DEEPCREDIT_DATA": str(data_root()),
    }
    before = _children()
    words = ["-m", "snakemake", "--cores", str(cores), "--config", f"scale={scale}"]
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, check=True)
    return _children() - before


def _records(folder: Path) -> Path:
    return folder / "results" / "meter"


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processes(folder: Path) -> list[Process]:
    """What the processes of a build wrote down."""
    return [_process(**json.loads(path.read_text(encoding="utf-8"))) for path in _records(folder).glob("*.json")]


def _process(words: Sequence[str], seconds: float, starting: float, children: float) -> Process:
    if "snakemake" in words[0]:  # its children are the jobs
        return Process(KINDS["snakemake"], "", seconds - starting, starting)
    command, *rest = words[1:]
    named = next((word for word in rest if word.startswith("experiment=")), next(iter(rest), ""))
    rule = f"{command} {named.removeprefix('experiment=')}"
    return Process(KINDS.get(command, KINDS[""]), rule, seconds + children - starting, starting)


def runs(folder: Path) -> float:
    """Seconds on the processor of the runs of all cells, as the provenance of their arrays has them."""
    records = (json.loads(path.read_text(encoding="utf-8")) for path in (folder / "results" / "store").glob("*/*.json"))
    return sum(record["cpu_seconds"] for record in records)


def table(found: Sequence[Process], total: float, names: Iterable[str], column: str) -> list[str]:
    """A line for each of `names` in `column` of the processes, as Markdown."""
    lines = [f"| {column} | processes | starting, s | work, s | of the build |", "| --- | ---: | ---: | ---: | ---: |"]
    for name in names:
        of = [process for process in found if getattr(process, column) == name]
        starting, work = sum(p.starting for p in of), sum(p.work for p in of)
        lines.append(f"| {name} | {len(of)} | {starting:.1f} | {work:.1f} | {(starting + work) / total:.1%} |")
    return lines


def report(folder: Path, total: float) -> str:
    """Both tables, and what is in neither."""
    found = processes(folder)
    spent = {p.rule: 0.0 for p in found if p.rule}
    for process in found:
        spent[process.rule] = spent.get(process.rule, 0.0) + process.work + process.starting
    starting, known = sum(p.starting for p in found), sum(p.starting + p.work for p in found)
    return "\n".join(
        [
            *table(found, total, KINDS.values(), "kind"),
            "",
            f"{total:.0f} s of the processor, of which",
            f"- {runs(folder) / total:.1%} the runs of cells, by their provenance",
            f"- {starting / total:.1%} starting: interpreters and imports",
            f"- {1 - known / total:.1%} shells, and processes as they end",
            "",
            *table(found, total, sorted(filter(None, spent), key=spent.__getitem__, reverse=True), "rule"),
        ]
    )


def main() -> None:
    """Build, and print where the time went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", default="quick")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--at", metavar="COMMIT", default="HEAD")
    options = parser.parse_args()
    folder = options.folder.resolve()
    print(report(folder, build(folder, options.scale, options.cores, options.at)))


if __name__ == "__main__":
    main()
