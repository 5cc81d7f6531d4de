"""The whole plan of a scale: every figure, the cells it reads, where they are and the commands that make them.

Composing configs is the slow part, so its result is kept in `results/cache`, named by the content of `conf/` and of
the code that composes. Fingerprints and addresses are worked out afresh each time.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deepcredit.data.files import DATASETS
from deepcredit.errors import UserError, unknown
from deepcredit.pipeline import fingerprint, paths
from deepcredit.pipeline.address import address
from deepcredit.pipeline.cost import Cost, cost, cpu_seconds, cuda_seconds
from deepcredit.pipeline.files import write_text
from deepcredit.pipeline.machine import CORE, CUDA, speed


@dataclass(frozen=True)
class PlannedCell:
    """A cell with its address in the store."""

    experiment: str
    kind: str
    labels: dict[str, Any]
    settings: dict[str, Any]
    path: str
    command: str
    #: Hydra overrides that turn the experiment at the paper scale into this cell
    overrides: tuple[str, ...]
    #: how long one core of this machine, and a CUDA device if it is of use, are expected to compute the cell
    seconds: float
    cuda_seconds: float | None
    memory_bytes: float
    #: names of the data sets whose files the job reads
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class PlannedFigure:
    """A figure with the cells it reads by role, and one string that changes whenever it must be redrawn."""

    name: str
    group: str
    experiments: dict[str, str]
    config: dict[str, Any]
    fingerprint: str
    code: dict[str, dict[str, str]]

    @property
    def id(self) -> str:
        return self.name.split("/")[1]


@dataclass(frozen=True)
class Plan:
    """Everything that Snakemake needs to know about one scale."""

    scale: str
    cells: dict[str, tuple[PlannedCell, ...]]
    figures: dict[str, PlannedFigure]
    #: experiment → settings in which this scale differs from the paper grid: key, value here, value on the paper grid
    thinned: dict[str, list[tuple[str, Any, Any]]] = field(default_factory=dict)

    def arrays(self, figure: PlannedFigure) -> list[str]:
        """Paths of all arrays that a figure reads, in the order of its roles."""
        names = dict.fromkeys(figure.experiments.values())
        return [cell.path for name in names for cell in self.cells[name]]

    @cached_property
    def by_id(self) -> dict[str, PlannedFigure]:
        return {figure.id: figure for figure in self.figures.values()}

    def figure(self, name: str) -> PlannedFigure:
        """The figure with this id, or `group/id`. Raises a `UserError` for an unknown one."""
        found = self.figures.get(name) or self.by_id.get(name)
        if found is None:
            raise unknown("figure", name, self.by_id)
        return found


def plan(scale: str) -> Plan:
    """The plan of a scale. Raises a `UserError` for an unknown scale and for any fault in any config."""
    tree = _composed(scale)
    codes = {kind: fingerprint.fingerprint(fingerprint.code_of_experiment(kind)) for kind in tree["kinds"]}
    cells = {name: tuple(_planned_cell(c, codes) for c in found) for name, found in tree["cells"].items()}
    figures = {name: _planned_figure(name, config) for name, config in tree["figures"].items()}
    return Plan(scale, cells, figures, tree["thinned"])


def _planned_cell(tree: dict[str, Any], codes: dict[str, str]) -> PlannedCell:
    of = Cost(**tree["cost"])
    path = address(tree["experiment"], tree["name"], tree["settings"], codes[tree["kind"]])
    dataset = tree["settings"].get("data", {}).get("dataset")
    return PlannedCell(
        tree["experiment"],
        tree["kind"],
        tree["labels"],
        tree["settings"],
        paths.relative(path),
        tree["command"],
        tuple(tree["overrides"]),
        cpu_seconds(of, speed(CORE)),
        cuda_seconds(of, speed(CUDA)),
        of.memory_bytes,
        (dataset,) if dataset in DATASETS else (),
    )


def _planned_figure(name: str, config: dict[str, Any]) -> PlannedFigure:
    module, function = drawing(config)
    entries = [(module, function), *((module, claim["check"]) for claim in config["claims"])]
    code = fingerprint.code_of_functions([*entries, ("deepcredit.figures.render", "render")])
    for _, wanted in entries:
        if wanted not in code.get(module, {}):
            raise UserError(f"conf/figure/{name}.yaml: {module} has no function {wanted!r}")
    style = (paths.PACKAGE / "figures" / "deepcredit.mplstyle").read_text(encoding="utf-8")
    content = json.dumps([config, style], sort_keys=True, ensure_ascii=False)
    mark = fingerprint.digest(content + fingerprint.fingerprint(code))
    return PlannedFigure(name, name.split("/")[0], config["experiments"], config, mark, code)


def drawing(config: dict[str, Any]) -> tuple[str, str]:
    """Module and function named by a figure's `draw`, e.g. `prospective.interference`."""
    module, _, function = config["draw"].rpartition(".")
    return f"deepcredit.figures.{module}", function


def _composed(scale: str) -> dict[str, Any]:
    """Cells and figure configs of a scale as plain trees, from the cache where nothing they depend on changed."""
    path = paths.cache_folder() / f"plan-{scale}-{_content(_inputs())}.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    tree = _compose(scale)
    write_text(path, json.dumps(tree, ensure_ascii=False))
    for old in path.parent.glob(f"plan-{scale}-*.json"):
        if old != path:
            old.unlink(missing_ok=True)
    return tree


def _compose(scale: str) -> dict[str, Any]:
    from deepcredit.pipeline.cells import cells_of, thinned
    from deepcredit.pipeline.compose import experiment_names, figure_config, figure_names, plain, scale_names

    if scale not in scale_names():
        raise unknown("scale", scale, scale_names())
    cells = {name: cells_of(name, scale) for name in experiment_names()}
    figures = {name: plain(dataclasses.asdict(figure_config(name))) for name in figure_names()}
    return {
        "kinds": sorted({cell.kind for found in cells.values() for cell in found}),
        "cells": {name: [_written(cell) for cell in found] for name, found in cells.items()},
        "figures": figures,
        "thinned": {name: thinned(name, scale) for name in cells},
    }


def _written(cell: Any) -> dict[str, Any]:
    known = {"name": cell.name, "command": cell.command, "cost": dataclasses.asdict(cost(cell.config()))}
    return {**dataclasses.asdict(cell), **known}


def _inputs() -> Sequence[Path]:
    code = [p for room in ("schema", "pipeline") for p in (paths.PACKAGE / room).glob("*.py")]
    return sorted([*paths.conf().rglob("*.yaml"), *code])


def _content(files: Sequence[Path]) -> str:
    root = paths.root()
    return fingerprint.digest("".join(f"{f.relative_to(root)}\0{f.read_text(encoding='utf-8')}\0" for f in files))
