"""What the figures of a plan were drawn from, and whether they are up to date. Reads JSON only."""

import shlex
from pathlib import Path
from typing import Any

from deepcredit.core import paths
from deepcredit.plan.plan import Plan, PlannedFigure
from deepcredit.store.provenance import read_json


def drawn_path(scale: str, name: str) -> Path:
    """Where it is written from what the figure `study/id` was drawn."""
    return paths.results(scale) / "drawn" / f"{name}.json"


def drawn(plan: Plan, figure: PlannedFigure) -> dict[str, Any]:
    """All that decides how a figure looks, in detail: arrays, config, style sheet, drawing code."""
    return {
        "figure": figure.id,
        "scale": plan.scale,
        "arrays": plan.arrays(figure),
        "fingerprint": figure.fingerprint,
        "config": figure.config,
        "style": list(figure.style),
        "code": figure.code,
    }


def drawn_record(scale: str, name: str) -> dict[str, Any] | None:
    """From what the figure was drawn last; None where it never was."""
    return read_json(drawn_path(scale, name))


def figure_files(scale: str, name: str) -> list[Path]:
    """Everything that drawing the figure `study/id` writes."""
    folder = paths.results(scale)
    pictures = [folder / "figures" / f"{name}{suffix}" for suffix in (".pdf", ".png", ".csv")]
    return [*pictures, folder / "claims" / f"{name}.json", drawn_path(scale, name)]


def rebuild(plan: Plan, figure: PlannedFigure) -> str:
    """The command that builds a figure, and before it the arrays that are missing."""
    style = f" style={shlex.quote(plan.style)}" if plan.style else ""
    return f"snakemake --cores 1 {figure.id} --config scale={plan.scale}{style}"


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
