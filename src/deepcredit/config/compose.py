"""From `conf/` and overrides to composed configs; what Hydra raises becomes one line."""

import copy
from collections.abc import Sequence

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from deepcredit.config.complaints import explained, reason
from deepcredit.config.figure import Figure, Figures
from deepcredit.config.search import register
from deepcredit.config.studies import conf_files
from deepcredit.config.trees import leaves
from deepcredit.config.typed import example, typed_config
from deepcredit.core import paths
from deepcredit.core.errors import UserError, unknown

#: what Hydra, OmegaConf and the reader of YAML raise for something that was written wrongly
MISTAKES = (HydraException, OmegaConfBaseException, yaml.YAMLError)


def experiment_names() -> list[str]:
    """Every experiment of `conf/experiment`, sorted."""
    return list(conf_files("experiment/*.yaml"))


def figure_names() -> list[str]:
    """Every figure of `conf/figure` as `study/id`, sorted."""
    return list(conf_files("figure/*/*.yaml"))


def _hydra_compose(overrides: Sequence[str]) -> DictConfig:
    """By the Hydra that is running, as in a job of `deepcredit run`, with its search path; else by one for now."""
    register()
    running = GlobalHydra.instance()
    if running.is_initialized() and _is_ours(running):
        return compose("config", overrides=list(overrides))
    others = copy.copy(running)
    running.clear()
    try:
        with initialize_config_dir(str(paths.conf()), version_base="1.3"):
            return compose("config", overrides=list(overrides))
    finally:
        GlobalHydra.set_instance(others)


def _is_ours(hydra: GlobalHydra) -> bool:
    return str(paths.conf()) in [element.path for element in hydra.config_loader().get_search_path().get_path()]


def settings(overrides: Sequence[str]) -> list[str]:
    """Dotted keys of all settings of a composed config; none where it cannot be composed."""
    try:
        return [key for key, _ in leaves(OmegaConf.to_container(_hydra_compose(overrides)))]
    except MISTAKES:
        return []


def complaint(error: Exception, overrides: Sequence[str]) -> UserError:
    """What Hydra or OmegaConf said of overrides, in one line."""
    return explained(error, overrides, settings, example())


def experiment_config(overrides: Sequence[str]) -> DictConfig:
    """Composed config of one experiment (`experiment=<name>` among the overrides).

    Raises a `UserError` for an unknown name, key or option, a wrong type, and for overrides that cannot be parsed.
    """
    try:
        return typed_config(_hydra_compose(overrides))
    except MISTAKES as error:
        raise complaint(error, overrides) from error


def overridden(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """A copy of a composed config with further simple overrides. Raises `UserError` as `experiment_config` does."""
    changed = copy.deepcopy(config)
    try:
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            # the options of a record are replaced as a whole: another record has others
            OmegaConf.update(changed, override.key_or_group, override.value(), merge=False)
    except (HydraException, OmegaConfBaseException) as error:
        raise complaint(error, [f"experiment={config.experiment}", *overrides]) from error
    return changed


def figure_config(name: str) -> Figure:
    """Typed config of the figure `study/id`. Raises a `UserError` for an unknown figure or a faulty file."""
    files = conf_files("figure/*/*.yaml")
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
