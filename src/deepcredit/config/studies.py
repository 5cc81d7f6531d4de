"""What a study is, and the studies there are: those of the project and those of installed packages.

A study is one paper's room: its kinds of experiment, its figures and claims, its explorers, its configs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from deepcredit.core import paths
from deepcredit.core.errors import UserError, unknown
from deepcredit.core.registry import Record, Registry, load, module_of

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
    place on the page; `api` the contract that the study was written for.
    """

    title: str
    source: str
    figures: str
    kinds: tuple[Kind, ...] = ()
    explorers: Mapping[str, Explorer] = field(default_factory=dict)
    conf: Path | None = None
    order: int = 1000
    api: int = API

    def __post_init__(self) -> None:
        if self.api != API:
            raise UserError(
                f"study {self.name!r} was written for version {self.api} of the contract with studies, and this "
                f"deepcredit has version {API}; install a release of the study for it"
            )


STUDIES: Registry[Study] = Registry("study", Study, package="deepcredit.studies", module="study", group="studies")


@cache
def studies() -> dict[str, Study]:
    """All studies by name, in the order in which they are shown."""
    return {study.name: study for study in sorted(STUDIES, key=lambda study: (study.order, study.name))}


@cache
def kinds() -> dict[str, Kind]:
    """All kinds of experiment by name. Raises a `UserError` where two studies have one of the same name."""
    found: dict[str, Kind] = {}
    owners: dict[str, str] = {}
    for study in studies().values():
        for kind in study.kinds:
            if kind.name in found:
                raise UserError(
                    f"kind of experiment {kind.name!r} is there twice: in the studies {owners[kind.name]!r} "
                    f"and {study.name!r}"
                )
            found[kind.name], owners[kind.name] = kind, study.name
    return found


def kind_of(name: str) -> Kind:
    """The kind of experiment of that name. Raises a `UserError` with the names for any other."""
    if name not in kinds():
        raise unknown("kind of experiment", name, kinds())
    return kinds()[name]


def schema_of(kind: str) -> Any:
    """The config class of a kind of experiment."""
    return load(kind_of(kind).schema)


def conf_folders() -> list[Path]:
    """The project's `conf/`, and those that studies bring, each once."""
    return list(dict.fromkeys([paths.conf(), *(study.conf for study in studies().values() if study.conf)]))


def conf_files(pattern: str) -> dict[str, Path]:
    """Files of all `conf/` folders by name without suffix, sorted. Raises a `UserError` for a name taken twice."""
    found: dict[str, Path] = {}
    for folder in conf_folders():
        for path in folder.glob(pattern):
            name = path.relative_to(folder).with_suffix("").as_posix().partition("/")[2]
            if name in found:
                raise UserError(f"{found[name]} and {path} have the same name; rename one of them")
            found[name] = path
    return dict(sorted(found.items()))


def drawing_module(study: str, draw: str) -> tuple[str, str]:
    """Module and function that a figure's `draw` names, e.g. `spectra.phase`, within the figures of its study."""
    module, _, function = draw.rpartition(".")
    return f"{STUDIES[study].figures}.{module}", function


def code_modules(kind: str) -> tuple[str, ...]:
    """The modules that running a kind of experiment begins in."""
    return (module_of(kind_of(kind).run),)
