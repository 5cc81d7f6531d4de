"""The whole plan of a scale: every figure, the cells it reads, where they are and the commands that make them.

Composing configs is the slow part, so its result is kept in `results/cache`, named by the content of `conf/` and of
the code that composes. Fingerprints and addresses are worked out afresh each time.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deepcredit.config.cells import Cell, cells_of, given_by, thinned, typed
from deepcredit.config.compose import experiment_names, figure_config, figure_names, general_style
from deepcredit.config.figure import Claim, Figure
from deepcredit.config.scales import scale_names
from deepcredit.config.schema import Experiment
from deepcredit.config.studies import conf_folders, drawing_module, kinds
from deepcredit.config.trees import plain
from deepcredit.core import located, paths
from deepcredit.core.errors import unknown
from deepcredit.core.files import write_text
from deepcredit.core.registry import choices, module_of, record_modules
from deepcredit.data.datasets import DATASETS
from deepcredit.figures.sheets import check_sheet, content, sheets
from deepcredit.figures.style import STYLE_SHEET
from deepcredit.plan.cost import Cost, CudaWork, cost
from deepcredit.plan.machine import device, speed
from deepcredit.store import fingerprint
from deepcredit.store.address import path_of
from deepcredit.store.provenance import read_json


@dataclass(frozen=True)
class PlannedCell(Cell):
    """A cell with its address in the store, and what it costs."""

    path: str
    cost: Cost
    #: names of the data sets whose files the job reads
    datasets: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """How long one core of this machine is expected to compute the cell."""
        return self.cost.cpu_seconds(speed())

    @property
    def cuda_seconds(self) -> float | None:
        """How long a CUDA device is expected to, if it is of use."""
        return self.cost.cuda_seconds(device(), speed())


@dataclass(frozen=True)
class PlannedFigure:
    """A figure with the cells it reads by role, and one string that changes whenever it must be redrawn."""

    name: str
    study: str
    experiments: dict[str, str]
    config: dict[str, Any]
    fingerprint: str
    code: dict[str, dict[str, str]]
    #: names of the style sheets, and a digest of their content
    style: tuple[str, str]

    @property
    def id(self) -> str:
        return self.name.split("/")[1]

    @property
    def typed(self) -> Figure:
        return figure_of(self.config)


@dataclass(frozen=True)
class Plan:
    """Everything that Snakemake needs to know about one scale."""

    scale: str
    cells: dict[str, tuple[PlannedCell, ...]]
    figures: dict[str, PlannedFigure]
    #: experiment → settings in which this scale differs from the paper grid: key, value here, value on the paper grid
    thinned: dict[str, list[tuple[str, Any, Any]]] = field(default_factory=dict)
    #: the style sheets that figures are drawn with, the later over the earlier
    sheets: tuple[Path, ...] = (STYLE_SHEET,)
    #: the style sheet that this plan was asked for, where it is not that of `conf/figures.yaml`
    style: str | None = None

    def arrays(self, figure: PlannedFigure) -> list[str]:
        """Paths of all arrays that a figure reads, in the order of its roles."""
        return [path for name in dict.fromkeys(figure.experiments.values()) for path in self.paths(name)]

    def paths(self, experiment: str) -> list[str]:
        """Paths of all arrays of an experiment."""
        return [cell.path for cell in self.cells[experiment]]

    def paths_by_role(self, experiments: Mapping[str, str]) -> dict[str, list[str]]:
        """Paths of all arrays of `experiments` (role → name)."""
        return {role: self.paths(name) for role, name in experiments.items()}

    @cached_property
    def by_id(self) -> dict[str, PlannedFigure]:
        return {figure.id: figure for figure in self.figures.values()}

    def figure(self, name: str) -> PlannedFigure:
        """The figure with this id, or `group/id`. Raises a `UserError` for an unknown one."""
        found = self.figures.get(name) or self.by_id.get(name)
        if found is None:
            raise unknown("figure", name, self.by_id)
        return found


def plan(scale: str, style: str | None = None) -> Plan:
    """The plan of a scale, its figures in the style sheet `style` over the project's own.

    Raises a `UserError` for an unknown scale, for any fault in any config, and for a style sheet that is none.
    """
    found = sheets(style or general_style())
    look = _look(found)
    tree = _composed(scale)
    _check_options(tree["figures"])
    cells = {name: tuple(_planned_cell(c, name) for c in found) for name, found in tree["cells"].items()}
    figures = {name: _planned_figure(name, config, look) for name, config in tree["figures"].items()}
    return Plan(scale, cells, figures, tree["thinned"], found, style)


def figure_of(config: Mapping[str, Any]) -> Figure:
    """The typed config of a figure from its plain tree."""
    return Figure(**{**config, "claims": [Claim(**claim) for claim in config["claims"]]})


def _planned_cell(tree: dict[str, Any], experiment: str) -> PlannedCell:
    cell = Cell(typed(tree["settings"], experiment), tree["labels"], tuple(tree["overrides"]))
    return PlannedCell(
        cell.config,
        cell.labels,
        cell.overrides,
        paths.relative(path_of(cell)),
        _cost(tree["cost"]),
        tuple(_fetched(cell.config)),
    )


def _cost(tree: dict[str, Any]) -> Cost:
    cuda = tree["cuda"]
    return Cost(**{**tree, "cuda": cuda and CudaWork(**cuda)})


def _fetched(config: Experiment) -> Iterator[str]:
    """Names of the data sets that a cell reads and that have to be fetched."""
    for choice in choices(config):
        if choice.registry is DATASETS and choice.record.files is not None:
            yield choice.name


def _planned_figure(name: str, config: dict[str, Any], look: tuple[str, str]) -> PlannedFigure:
    study = name.split("/")[0]
    module, function = drawing_module(study, config["draw"])
    entries = [(module, function), *((module, claim["check"]) for claim in config["claims"])]
    code = fingerprint.code_of_functions([*entries, ("deepcredit.figures.render", "render")])
    written = json.dumps([config, look[1]], sort_keys=True, ensure_ascii=False)
    mark = fingerprint.digest(written + fingerprint.fingerprint(code))
    return PlannedFigure(name, study, config["experiments"], config, mark, code, look)


def _look(found: Sequence[Path]) -> tuple[str, str]:
    """Names of style sheets, and a digest of what they say. Raises a `UserError` where it cannot be drawn with."""
    said = "".join(map(content, found))
    for sheet in found[1:]:
        check_sheet(sheet)
    return ", ".join(sheet.name for sheet in found), fingerprint.digest(said)


def _check_options(figures: Mapping[str, dict[str, Any]]) -> None:
    """Raise a `UserError` where an option of a figure or a claim does not fit its function.

    That takes the second that matplotlib takes to import, so it is done once for each state of configs and code.
    """
    drawing = {drawing_module(name.split("/")[0], config["draw"])[0] for name, config in figures.items()}
    reached = fingerprint.modules_reached("deepcredit.config.binding", *drawing)
    code = filter(None, map(fingerprint.file_of, reached))
    mark = fingerprint.digest(_content(sorted(code)) + json.dumps(figures, sort_keys=True))
    path = paths.cache_folder() / f"bound-{mark}.txt"
    if path.is_file():
        return
    from deepcredit.config.binding import bind_figure

    for name, config in figures.items():
        study, _, figure = name.partition("/")
        bind_figure(study, figure, figure_of(config))
    for old in path.parent.glob("bound-*.txt"):
        old.unlink(missing_ok=True)
    write_text(path, f"{len(figures)} figures and their claims fit their functions\n")


def _composed(scale: str) -> dict[str, Any]:
    """Cells and figure configs of a scale as plain trees, from the cache where nothing they depend on changed."""
    path = paths.cache_folder() / f"plan-{scale}-{_content(_inputs())}.json"
    tree = read_json(path)
    if tree is not None and all(located.Located(*file).unchanged for file in tree["files"]):
        return tree
    tree = _compose(scale)
    write_text(path, json.dumps(tree, ensure_ascii=False))
    for old in path.parent.glob(f"plan-{scale}-*.json"):
        if old != path:
            old.unlink(missing_ok=True)
    return tree


def _compose(scale: str) -> dict[str, Any]:
    if scale not in scale_names():
        raise unknown("scale", scale, scale_names())
    figures = {name: plain(dataclasses.asdict(figure_config(name))) for name in figure_names()}
    _check_options(figures)  # before the cells, which take longer
    cells = {name: cells_of(name, scale) for name in experiment_names()}
    return {
        "cells": {name: [_written(cell) for cell in found] for name, found in cells.items()},
        "figures": figures,
        "thinned": {name: thinned(name, scale) for name in cells},
        "files": _files(cell for found in cells.values() for cell in found),
    }


def _files(cells: Iterable[Cell]) -> list[tuple[str, str | None, str | None]]:
    """The files that cells read of a user's own, each once."""
    found = {file for cell in cells for file in located.files(cell.config) if file.place is not None}
    return sorted((file.key, file.place, file.sha256) for file in found)


def _written(cell: Cell) -> dict[str, Any]:
    of = dataclasses.asdict(cost(cell.config))
    return {"settings": given_by(cell.config), "labels": cell.labels, "overrides": cell.overrides, "cost": of}


def _inputs() -> Sequence[Path]:
    """The files that composing depends on: configs, and the code of whatever reads, checks and estimates them."""
    named = [name for kind in kinds().values() for name in (kind.schema, kind.cost)]
    entries = [*map(module_of, named), __name__, *record_modules()]
    code = filter(None, map(fingerprint.file_of, fingerprint.modules_reached(*entries)))
    return sorted({*code, *(path for folder in conf_folders() for path in folder.rglob("*.yaml"))})


def _content(files: Sequence[Path]) -> str:
    return fingerprint.digest("".join(f"{file}\0{file.read_text(encoding='utf-8')}\0" for file in files))
