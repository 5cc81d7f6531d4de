"""What a study is, and the studies there are: those of the project and those of installed packages.

A study is one paper's room: its kinds of experiment, its figures and claims, its explorers, its configs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from deepcredit.config.schema import Experiment
from deepcredit.core import paths
from deepcredit.core.errors import UserError, unknown
from deepcredit.core.registry import OWN, Found, Record, Registry, load, module_of

#: the contract between the project and studies from outside; raised by a change that they must follow
API = 1


@dataclass(frozen=True)
class Kind:
    """A kind of experiment; every part is named as `module:attribute`, and only `run` may import torch.

    `schema` is a dataclass derived from `deepcredit.config.schema.Experiment`, `run(config)` returns the cell's
    `xarray.Dataset`, `cost(config)` its `deepcredit.plan.cost.Cost`.
    """

    name: str
    schema: str
    run: str
    cost: str


@dataclass(frozen=True)
class Explorer:
    """What a reader of the page moves through beside a figure: `build` is `module:function`.

    It is given the figure's arrays by role, those of the experiments `also` reads (role → experiment) among them where
    they are computed, and the figure's options; it returns what JSON can hold, with `kind` for the page's script.
    """

    build: str
    also: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Study(Record):
    """One paper. `figures` is the package whose modules draw; a figure's `draw: module.function` is looked up there.

    `conf` is a folder laid out as the project's `conf/`; the project's own studies have theirs there. `order` is the
    place on the page; `api` the contract that the study was written for, which one from outside has to say.
    """

    title: str
    source: str
    figures: str
    kinds: tuple[Kind, ...] = ()
    explorers: Mapping[str, Explorer] = field(default_factory=dict)
    conf: Path | None = None
    order: int = 1000
    api: int | None = None


#: the folder of scales: in a file of its own, every study may say what a scale makes of its experiments
SCALES = "scales"

STUDIES: Registry[Study] = Registry("study", Study, package="deepcredit.studies", module="study", group="studies")


@cache
def studies() -> dict[str, Study]:
    """All studies by name, in the order in which they are shown. Raises a `UserError` for one that cannot take part."""
    found = [_able(STUDIES.found(name)) for name in STUDIES.names]
    return {study.name: study for study in sorted(found, key=lambda study: (study.order, study.name))}


def _able(found: Found[Study]) -> Study:
    """The study, if it can take part in this version of the project."""
    study, who = found.record, f"study {found.record.name!r} of {found.origin}"
    if found.origin != OWN and study.api is None:
        raise UserError(f"{who} does not say for which version of the contract it was written; write api={API}")
    if study.api not in (None, API):
        raise UserError(
            f"{who} was written for version {study.api} of the contract with studies, and this deepcredit has version "
            f"{API}; install a release of the study for it"
        )
    if study.conf is not None and not study.conf.is_dir():
        raise UserError(f"{who} has no folder {study.conf}; its configs have to be package data")
    return study


@cache
def _owned() -> dict[str, tuple[Kind, Study]]:
    """All kinds of experiment with their studies. Raises a `UserError` where two studies have one of the same name."""
    found: dict[str, tuple[Kind, Study]] = {}
    for study in studies().values():
        for kind in study.kinds:
            if kind.name in found:
                raise UserError(
                    f"kind of experiment {kind.name!r} is there twice: in the studies {found[kind.name][1].name!r} "
                    f"and {study.name!r}"
                )
            found[kind.name] = kind, study
    return found


@cache
def kinds() -> dict[str, Kind]:
    """All kinds of experiment by name. Raises a `UserError` where two studies have one of the same name."""
    return {name: kind for name, (kind, _) in _owned().items()}


def kind_of(name: str) -> Kind:
    """The kind of experiment of that name. Raises a `UserError` with the names for any other."""
    if name not in kinds():
        raise unknown("kind of experiment", name, kinds())
    return kinds()[name]


def study_of(kind: str) -> Study:
    """The study that has a kind of experiment."""
    return _owned()[kind_of(kind).name][1]


def part_of(kind: str, part: str) -> Any:
    """The `schema`, `run` or `cost` of a kind of experiment. Raises a `UserError` with the study for a broken one."""
    try:
        return load(getattr(kind_of(kind), part))
    except UserError as error:
        raise UserError(f"study {study_of(kind).name!r}, kind of experiment {kind!r}: {error}") from error


@cache
def schema_of(kind: str) -> Any:
    """The config class of a kind of experiment. Raises a `UserError` for one that is none, or of another kind."""
    schema = part_of(kind, "schema")
    if not (isinstance(schema, type) and issubclass(schema, Experiment) and schema.kind == kind):
        raise UserError(
            f"study {study_of(kind).name!r}: {kind_of(kind).schema} is no dataclass derived from Experiment with "
            f"kind: str = {kind!r}"
        )
    return schema


@cache
def conf_folders() -> tuple[Path, ...]:
    """The project's `conf/`, and those that studies bring, each once.

    Raises a `UserError` where two have a file of the same name, of which Hydra would take the first without a word.
    """
    folders = tuple(dict.fromkeys([paths.conf(), *(study.conf for study in studies().values() if study.conf)]))
    taken: dict[tuple[str, str], Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.yaml")):
            group, name = _group(path.relative_to(folder)), path.stem
            if (group, name) in taken and group != SCALES:
                raise UserError(f"{group} {name!r} is there twice: {taken[group, name]} and {path}; rename one of them")
            taken[group, name] = path
    return folders


def _group(file: Path) -> str:
    """What a config is one of: the options of a group, or figures, among which an id is unique whatever their study."""
    return "figure" if file.parts[0] == "figure" else file.parent.as_posix()


def conf_files(pattern: str) -> dict[str, Path]:
    """Files of all `conf/` folders by name without suffix and group, sorted."""
    found = {path.relative_to(folder): path for folder in conf_folders() for path in folder.glob(pattern)}
    return dict(sorted((name.with_suffix("").as_posix().partition("/")[2], path) for name, path in found.items()))


def drawing_module(study: str, draw: str) -> tuple[str, str]:
    """Module and function that a figure's `draw` names, e.g. `spectra.phase`, within the figures of its study."""
    module, _, function = draw.rpartition(".")
    return f"{STUDIES[study].figures}.{module}", function


def code_modules(kind: str) -> tuple[str, ...]:
    """The modules that running a kind of experiment begins in."""
    return (module_of(kind_of(kind).run),)
