"""From `conf/` and overrides to composed configs; what Hydra raises becomes one line."""

import copy
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from deepcredit.config.complaints import explained, reason
from deepcredit.config.figure import Figure, Figures
from deepcredit.config.studies import conf_folders, kinds, schema_of
from deepcredit.config.trees import leaves
from deepcredit.core import paths
from deepcredit.core.errors import UserError, unknown


def _files(pattern: str) -> dict[str, Path]:
    """Files of all `conf/` folders by name without suffix, sorted. Raises a `UserError` for a name taken twice."""
    found: dict[str, Path] = {}
    for folder in conf_folders():
        for path in folder.glob(pattern):
            name = path.relative_to(folder).with_suffix("").as_posix().partition("/")[2]
            if name in found:
                raise UserError(f"{found[name]} and {path} have the same name; rename one of them")
            found[name] = path
    return dict(sorted(found.items()))


def experiment_names() -> list[str]:
    """Every experiment of `conf/experiment`, sorted."""
    return list(_files("experiment/*.yaml"))


def scale_names() -> list[str]:
    """Every scale of `conf/scale`, sorted."""
    return list(_files("scale/*.yaml"))


def figure_names() -> list[str]:
    """Every figure of `conf/figure` as `study/id`, sorted."""
    return list(_files("figure/*/*.yaml"))


@cache
def _register() -> None:
    store = ConfigStore.instance()
    for kind in kinds():
        store.store(group="schema", name=kind, node=schema_of(kind))


def _hydra_compose(overrides: Sequence[str]) -> DictConfig:
    _register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        return compose("config", overrides=[*overrides, *search_path()])


def search_path() -> list[str]:
    """The override that puts the `conf/` folders of studies from outside on Hydra's search path."""
    further = [f"'file://{folder}'" for folder in conf_folders()[1:]]
    return [f"hydra.searchpath=[{','.join(further)}]"] if further else []


def settings(overrides: Sequence[str]) -> list[str]:
    """Dotted keys of all settings of a composed config."""
    return [key for key, _ in leaves(OmegaConf.to_container(_hydra_compose(overrides)))]


def complaint(error: Exception, overrides: Sequence[str]) -> UserError:
    """What Hydra or OmegaConf said of overrides, in one line."""
    return explained(error, overrides, settings, next(iter(experiment_names()), "<none defined>"))


def experiment_config(overrides: Sequence[str]) -> DictConfig:
    """Composed config of one experiment (`experiment=<name>` among the overrides).

    Raises a `UserError` for an unknown name, key or option, a wrong type, and for overrides that cannot be parsed.
    """
    try:
        config = _hydra_compose(overrides)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise complaint(error, overrides) from error
    if config.get("scale") is None:
        raise UserError("scale is not set; allowed: " + ", ".join(scale_names()))
    return config


def overridden(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """A copy of a composed config with further simple overrides. Raises `UserError` as `experiment_config` does."""
    changed = copy.deepcopy(config)
    try:
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            OmegaConf.update(changed, override.key_or_group, override.value())
    except (HydraException, OmegaConfBaseException) as error:
        raise complaint(error, [f"experiment={config.experiment}", *overrides]) from error
    return changed


def figure_config(name: str) -> Figure:
    """Typed config of the figure `study/id`. Raises a `UserError` for an unknown figure or a faulty file."""
    files = _files("figure/*/*.yaml")
    if name not in files:
        raise unknown_figure(name)
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Figure), OmegaConf.load(files[name]))
        figure = OmegaConf.to_object(merged)
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise UserError(f"conf/figure/{name}.yaml: {reason(error)}") from error
    assert isinstance(figure, Figure)
    for experiment in figure.experiments.values():
        if experiment not in experiment_names():
            raise unknown(f"experiment in figure {name}:", experiment, experiment_names())
    return figure


def general_style() -> str | None:
    """The style sheet that `conf/figures.yaml` asks for, from the project's root; None for the project's own alone."""
    path = paths.conf() / "figures.yaml"
    if not path.is_file():
        return None
    try:
        found = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Figures), OmegaConf.load(path)))
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise UserError(f"conf/figures.yaml: {reason(error)}") from error
    assert isinstance(found, Figures)
    return str(paths.root() / found.style) if found.style else None


def unknown_figure(name: str) -> UserError:
    """Error for a figure id that does not exist, with or without its study."""
    return unknown("figure", name.split("/")[-1], [n.split("/")[-1] for n in figure_names()])
