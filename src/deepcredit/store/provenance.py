"""What was computed before, as the files beside arrays tell it. Reads JSON only."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcredit.core import paths
from deepcredit.store.address import provenance_path

#: module → definition → digest
Code = Mapping[str, Mapping[str, str]]


def array_record(path: Path) -> dict[str, Any] | None:
    """The provenance of an array file, whether or not the array is still there; None where it cannot be read."""
    return read_json(provenance_path(path))


def earlier_builds(experiment: str) -> list[dict[str, Any]]:
    """Provenance of every array of an experiment that the store has or had, newest first."""
    found = [read_json(path) for path in sorted((paths.store() / experiment).glob("[!.]*.json"))]
    return sorted((record for record in found if record), key=lambda record: record["finished"], reverse=True)


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


def read_json(path: Path) -> dict[str, Any] | None:
    """What a JSON file holds; None where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
