"""Draw one planned figure from the arrays in the store, and answer its claims from the same arrays."""

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from deepcredit import __version__
from deepcredit.config.binding import Bound, bind_figure
from deepcredit.config.figure import Claim
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.core.files import write_bytes, write_text
from deepcredit.figures.base import Data, Measured, NotTestable
from deepcredit.figures.render import render
from deepcredit.plan.plan import Plan, PlannedFigure
from deepcredit.plan.state import drawn, drawn_path, figure_files, rebuild
from deepcredit.store.fingerprint import fingerprint
from deepcredit.store.store import read_all, surroundings


class Verdict(Enum):
    """What the arrays say about a claim."""

    reproduced = "reproduced"
    not_reproduced = "not reproduced"
    not_testable = "not testable at this scale"


def figure_path(scale: str, name: str, suffix: str) -> Path:
    """A file of the figure `study/id`."""
    return paths.results(scale) / "figures" / f"{name}{suffix}"


def claims_path(scale: str, name: str) -> Path:
    """The answers to the claims of the figure `study/id`."""
    return paths.results(scale) / "claims" / f"{name}.json"


def draw(plan: Plan, figure: PlannedFigure) -> list[Path]:
    """Write the figure's three files and its answered claims; returns their paths.

    Raises a `UserError` if an array is absent or damaged, before anything is written.
    """
    config = figure.typed
    drawing, answering = bind_figure(figure.study, figure.id, config)
    data = read_all(plan.paths_by_role(figure.experiments))
    files = render(drawing, data, source(plan, figure, data), plan.sheets)
    claims = [answer(figure.id, *pair, data) for pair in zip(config.claims, answering, strict=True)]
    record = {**drawn(plan, figure), **surroundings()}
    for suffix, content in files.items():
        write_bytes(figure_path(plan.scale, figure.name, suffix), content)
    answers = claims_path(plan.scale, figure.name)
    write_text(answers, json.dumps(claims, indent=1, ensure_ascii=False) + "\n")
    write_text(drawn_path(plan.scale, figure.name), json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return figure_files(plan.scale, figure.name)


def source(plan: Plan, figure: PlannedFigure, data: Data) -> dict[str, Any]:
    """What a figure's files say of themselves, the same for the same arrays, code and environment.

    `fingerprint` covers drawing code, style sheet and config of the figure; `code` has a fingerprint for the code that
    draws and one for the code that computed the arrays of each experiment.
    """
    computing = {found.attrs["experiment"]: found.attrs["code"] for cells in data.values() for found in cells}
    return {
        "figure": figure.id,
        "study": figure.study,
        "scale": plan.scale,
        "arrays": plan.arrays(figure),
        "fingerprint": figure.fingerprint,
        "code": {"drawing": fingerprint(figure.code), **computing},
        "versions": drawing_versions(),
        "command": rebuild(plan, figure),
    }


def drawing_versions() -> dict[str, str]:
    """Versions of what draws."""
    packages = {name: importlib.metadata.version(name) for name in ("matplotlib", "numpy", "pandas", "xarray")}
    return {"deepcredit": __version__, "python": platform.python_version(), **packages}


def answer(figure: str, claim: Claim, answering: Bound, data: Data) -> dict[str, Any]:
    """One claim with its verdict: measured and published value, tolerance, and why where it cannot be tested."""
    measured: Any = None
    reason = None
    try:
        found: Measured = answering(data)
        verdict = Verdict.reproduced if found.holds else Verdict.not_reproduced
        measured = simple(found.value)
    except NotTestable as why:
        verdict, reason = Verdict.not_testable, str(why)
    return {
        "figure": figure,
        "claim": claim.text,
        "check": claim.check,
        "verdict": verdict.value,
        "measured": measured,
        "published": claim.published,
        "tolerance": claim.tolerance,
        "reason": reason,
    }


def simple(value: Any) -> Any:
    """`value` as JSON can hold it, numbers to six significant digits; NaN and infinities as text."""
    if isinstance(value, Mapping):
        return {str(k): simple(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [simple(v) for v in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if np.isfinite(value) else str(float(value))
    return value


def collect_claims(plan: Plan) -> Path:
    """Gather the answers of all figures of a scale in `claims.json`; returns its path.

    Raises a `UserError` naming the first figure that is not drawn yet.
    """
    for figure in plan.figures.values():
        if not claims_path(plan.scale, figure.name).is_file():
            raise UserError(f"{figure.id} is not drawn at scale {plan.scale}; run `snakemake --cores 2 {figure.id}`")
    found = [json.loads(claims_path(plan.scale, name).read_text(encoding="utf-8")) for name in sorted(plan.figures)]
    path = paths.results(plan.scale) / "claims.json"
    write_text(path, json.dumps([claim for claims in found for claim in claims], indent=1, ensure_ascii=False) + "\n")
    return path
