"""Which cells an experiment has: one typed config each, with a name and the command that computes it."""

import copy
import itertools
import math
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from deepcredit.config.compose import experiment_config
from deepcredit.config.scales import PAPER, at_scale, changes
from deepcredit.config.schema import NOT_IN_CELL, Experiment
from deepcredit.config.studies import schema_of
from deepcredit.config.trees import instantiate, leaves, plain, set_leaf, tree_of
from deepcredit.core import located
from deepcredit.core.errors import UserError, nearest
from deepcredit.core.registry import open_sections

#: coordinate of a setting where the last part of its key would be ambiguous or not the field's word
LABELS = {"inference.lr": "activity_lr", "optimizer.lr": "weight_lr", "data.path": "file"}

MISSING = "???"

#: a text that Hydra's override grammar takes as it is
PLAIN_WORD = re.compile(r"[\w./+-]+")


@dataclass(frozen=True)
class Cell:
    """One job."""

    #: what it computes, as the experiment's `run` takes it
    config: Experiment
    #: coordinate → value of the settings that tell this cell from the others of its experiment
    labels: dict[str, Any]
    #: Hydra overrides that turn the experiment at the paper scale into this cell
    overrides: tuple[str, ...]

    @property
    def experiment(self) -> str:
        return self.config.experiment

    @property
    def kind(self) -> str:
        return self.config.kind

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The config as it is hashed and written: plain, without what cannot change a number."""
        return settings_of(self.config)

    @property
    def name(self) -> str:
        """Readable part of the file name, e.g. `num_layers-4_width-64`."""
        parts = [f"{label}-{value}" for label, value in self.labels.items()]
        return re.sub(r"[^A-Za-z0-9_.+-]", "", "_".join(parts)) or "all"

    @property
    def command(self) -> str:
        """The shell line that computes this cell, for a person or for Snakemake."""
        return shlex.join(["deepcredit", "compute", f"experiment={self.experiment}", "scale=paper", *self.overrides])


def settings_of(config: Experiment) -> dict[str, Any]:
    """A typed config as it is hashed and written: with what is in a user's files, not where they are."""
    return _plain(config, without=located.PLACE)


def given_by(config: Experiment) -> dict[str, Any]:
    """A typed config as somebody has to give it: with where a user's files are, not what is in them."""
    return _plain(config, without=located.CONTENT)


def _plain(config: Experiment, without: str) -> dict[str, Any]:
    tree = located.tree(config, without=without)
    return plain({key: value for key, value in tree.items() if key not in NOT_IN_CELL})


def typed(settings: Mapping[str, Any], experiment: str) -> Experiment:
    """The typed config with these plain settings. Raises a `UserError` naming the faulty setting."""
    try:
        return instantiate(schema_of(settings["kind"]), {**settings, "experiment": experiment})
    except UserError as error:
        raise UserError(f"{experiment}: {error}") from error


def label_of(key: str) -> str:
    """Coordinate name of a dotted setting."""
    return LABELS.get(key, key.rpartition(".")[2])


def cells_of(name: str, scale: str) -> list[Cell]:
    """All cells of an experiment at a scale, every one validated. Raises `UserError` naming the faulty setting."""
    paper = _paper(name)
    return [paper.cell(tree) for tree in _trees(_composed(name, scale))]


def single_cell(config: DictConfig) -> Cell:
    """The one cell that a composed config describes when its grid is left out, as `deepcredit compute` takes it."""
    return _paper(config.experiment).cell(_cell_tree(config))


def thinned(name: str, scale: str) -> list[tuple[str, Any, Any]]:
    """Settings in which an experiment differs from its paper grid: key, value at this scale, value on the paper grid.

    Where only one of them has the setting, the other's value is None.
    """
    here, paper = (_settings_and_grid(_composed(name, at)) for at in (scale, PAPER))
    keys = [key for key in {**paper, **here} if here.get(key) != paper.get(key)]
    return [(key, here.get(key), paper.get(key)) for key in keys]


def _settings_and_grid(config: DictConfig) -> dict[str, Any]:
    tree = {key: value for key, value in tree_of(config).items() if key not in ("scale", "scales", "trainer")}
    filled_in = dict(leaves(settings_of(typed(next(_trees(config)), config.experiment))))
    found = {key: value for key, value in leaves(plain(tree)) if value != MISSING}
    return {key: filled_in.get(key) if value is None else value for key, value in found.items()}


@cache
def _composed(experiment: str, scale: str) -> DictConfig:
    if scale != PAPER:
        return at_scale(_composed(experiment, PAPER), scale)
    try:
        paper = experiment_config([f"experiment={experiment}", f"scale={PAPER}"])
    except UserError as error:
        raise UserError(f"{experiment}: {error}") from error
    changes(paper, PAPER)  # says so if somebody wants to change it
    return paper


class _Paper:
    """An experiment at the paper scale: the reference that cells are named and written against."""

    def __init__(self, experiment: str) -> None:
        config = _composed(experiment, PAPER)
        self.experiment = experiment
        self.varied = _varied_keys(config)
        first = next(_trees(config))
        self.published = _overridable(typed(first, experiment))

    def cell(self, tree: dict[str, Any]) -> Cell:
        """The validated cell with the settings `tree`."""
        missing = [key for key, value in leaves(tree) if value == MISSING]
        if missing:
            raise UserError(f"{self.experiment}: {missing[0]} has no value; write {missing[0]}=<value>")
        config = typed(tree, self.experiment)
        varied = {_override_of(key, config) for key in self.varied}
        overrides = tuple(
            f"{key}={_written(value)}"
            for key, value in _overridable(config).items()
            if key in varied or self.published.get(key, value) != value
        )
        shown = dict(leaves(given_by(config))) | {file.key: file.digits for file in located.files(config)}
        return Cell(config, {label_of(key): value for key, value in shown.items() if key in self.varied}, overrides)


def _overridable(config: Experiment) -> dict[str, Any]:
    """Every setting as overrides change it: one by one, but the options of records together, as records have others."""
    settings, together = given_by(config), open_sections(config)
    whole = {section: settings[section] for section in together}
    return dict(leaves({key: value for key, value in settings.items() if key not in together})) | whole


def _override_of(key: str, config: Experiment) -> str:
    """The override that changes the setting `key`."""
    section = key.partition(".")[0]
    return section if section in open_sections(config) else key


@cache
def _paper(experiment: str) -> _Paper:
    return _Paper(experiment)


def _varied_keys(config: DictConfig) -> set[str]:
    keys = {key for key, _ in leaves(tree_of(config.grid))}
    return keys.union(*(dict(leaves(tree_of(variant))) for variant in config.variants))


def _cell_tree(config: DictConfig) -> dict[str, Any]:
    return {key: value for key, value in tree_of(config).items() if key not in NOT_IN_CELL}


def _trees(config: DictConfig) -> Iterator[dict[str, Any]]:
    """Settings tree of every cell: each variant with each point of the grid."""
    base = _cell_tree(config)
    # settings are tried on one copy, as copying a config takes longer than all else here
    trial = copy.deepcopy(config)
    axes = {key: _converted(trial, key, values) for key, values in leaves(tree_of(config.grid))}
    variants = [
        {key: _converted(trial, key, [value])[0] for key, value in leaves(tree_of(variant))}
        for variant in config.variants
    ] or [{}]
    for variant in variants:
        for values in itertools.product(*axes.values()):
            tree = copy.deepcopy(base)
            for key, value in {**dict(zip(axes, values, strict=True)), **variant}.items():
                set_leaf(tree, key, value)
            yield tree


def _converted(trial: DictConfig, key: str, values: Any) -> list[Any]:
    """`values` as the schema types the setting `key`; they are written into `trial` one after the other."""
    known = [k for k, _ in leaves(_cell_tree(trial))]
    where = f"{trial.experiment}: grid.{key}"
    if key not in known and key.partition(".")[0] not in open_sections(schema_of(trial.kind)):
        raise UserError(f"{where} names no setting{nearest(key, known)}; allowed: {', '.join(known)}")
    if not isinstance(values, list) or not values:
        raise UserError(f"{where}={values!r} is not valid; allowed: a list of at least one value")
    return [_convert(trial, key, value, where) for value in values]


def _convert(trial: DictConfig, key: str, value: Any, where: str) -> Any:
    try:
        # a section is replaced, not merged with the value that was tried before
        OmegaConf.update(trial, key, value, merge=False)
    except OmegaConfBaseException as error:
        raise UserError(f"{where}={value!r}: {str(error.msg).splitlines()[0]}") from error
    node = OmegaConf.select(trial, key)
    return tree_of(node) if OmegaConf.is_config(node) else node


def _written(value: Any) -> str:
    """`value` in Hydra's override grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(_written(v) for v in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{k}:{_written(v)}" for k, v in value.items()) + "}"
    text = str(value)
    return text if PLAIN_WORD.fullmatch(text) else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
