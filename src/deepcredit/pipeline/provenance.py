"""What was computed and drawn before, as the files beside arrays and figures tell it. Reads JSON only."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcredit.pipeline import paths
from deepcredit.pipeline.address import provenance_path
from deepcredit.pipeline.fingerprint import digest
from deepcredit.pipeline.plan import Plan, PlannedFigure

#: module → definition → digest
Code = Mapping[str, Mapping[str, str]]


def array_record(path: Path) -> dict[str, Any] | None:
    """The provenance of an array file, whether or not the array is still there; None where it cannot be read."""
    return _json(provenance_path(path))


def earlier_builds(experiment: str) -> list[dict[str, Any]]:
    """Provenance of every array of an experiment that the store has or had, newest first."""
    found = [_json(path) for path in sorted((paths.store() / experiment).glob("[!.]*.json"))]
    return sorted((record for record in found if record), key=lambda record: record["finished"], reverse=True)


def drawn_path(scale: str, name: str) -> Path:
    """Where it is written from what the figure `group/id` was drawn."""
    return paths.results(scale) / "drawn" / f"{name}.json"


def drawn(plan: Plan, figure: PlannedFigure) -> dict[str, Any]:
    """All that decides how a figure looks, in detail: arrays, config, style sheet, drawing code."""
    return {
        "figure": figure.id,
        "scale": plan.scale,
        "arrays": plan.arrays(figure),
        "fingerprint": figure.fingerprint,
        "config": figure.config,
        "style": style(),
        "code": figure.code,
    }


def drawn_record(scale: str, name: str) -> dict[str, Any] | None:
    """From what the figure was drawn last; None where it never was."""
    return _json(drawn_path(scale, name))


def style() -> str:
    """Digest of the style sheet of all figures."""
    return digest((paths.PACKAGE / "figures" / "deepcredit.mplstyle").read_text(encoding="utf-8"))


def figure_files(scale: str, name: str) -> list[Path]:
    """Everything that drawing the figure `group/id` writes."""
    folder = paths.results(scale)
    pictures = [folder / "figures" / f"{name}{suffix}" for suffix in (".pdf", ".png", ".csv")]
    return [*pictures, folder / "claims" / f"{name}.json", drawn_path(scale, name)]


def rebuild(plan: Plan, figure: PlannedFigure) -> str:
    """The command that builds a figure, and before it the arrays that are missing."""
    return f"snakemake --cores 1 {figure.id} --config scale={plan.scale}"


def missing_arrays(plan: Plan, figure: PlannedFigure) -> list[str]:
    """The arrays of a figure that the store lacks."""
    return [path for path in plan.arrays(figure) if not is_file(path)]


def is_file(path: str) -> bool:
    """Whether a path that is written from the project's root is a file."""
    return (paths.root() / path).is_file()


def state(plan: Plan, figure: PlannedFigure) -> str:
    """`fresh`, `stale` (drawn, but from other arrays, code or settings than are asked for now) or `missing`."""
    if not all(path.is_file() for path in figure_files(plan.scale, figure.name)):
        return "missing"
    record = drawn_record(plan.scale, figure.name)
    same = record and (record["fingerprint"], record["arrays"]) == (figure.fingerprint, plan.arrays(figure))
    return "fresh" if same and not missing_arrays(plan, figure) else "stale"


def changed_definitions(old: Code, new: Code) -> Iterator[tuple[str, dict[str, str]]]:
    """Module, and its definitions with what became of them: `changed`, `new` or `removed`."""
    for module in sorted({*old, *new}):
        before, after = old.get(module, {}), new.get(module, {})
        names = {name: _change(name, before, after) for name in [*after, *(n for n in before if n not in after)]}
        if changed := {name: what for name, what in names.items() if what}:
            yield module, changed


def _change(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if name not in before:
        return "new"
    if name not in after:
        return "removed"
    return "changed" if before[name] != after[name] else ""


@dataclass(frozen=True)
class Work:
    """What computing some arrays took, and where it was done."""

    arrays: int
    seconds: float
    machines: tuple[str, ...]
    versions: tuple[str, ...]
    first: str
    last: str


def work(records: Iterable[Mapping[str, Any]]) -> Work:
    """The sum of some arrays' provenance."""
    found = list(records)
    finished = sorted(record["finished"] for record in found) or [""]
    versions = dict.fromkeys(f"{name} {v}" for r in found for name, v in _versions(r).items())
    machines = dict.fromkeys(_machine(record) for record in found)
    seconds = sum(record.get("seconds", 0.0) for record in found)
    return Work(len(found), seconds, tuple(machines), tuple(versions), finished[0], finished[-1])


def _versions(record: Mapping[str, Any]) -> dict[str, str]:
    return {"python": record["python"], **record["versions"]}


def _machine(record: Mapping[str, Any]) -> str:
    threads = record.get("threads", 1)
    return f"{record['machine']}, {record.get('device', 'cpu')}, {threads} thread{'s' if threads != 1 else ''}"


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
