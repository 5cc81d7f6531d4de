"""From `conf/` and overrides to typed configs, and from what Hydra raises to one line that a person can act on."""

import copy
import dataclasses
import importlib
import pkgutil
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf, SCMode
from omegaconf.errors import OmegaConfBaseException

import deepcredit.schema
from deepcredit.errors import UserError, nearest, unknown
from deepcredit.pipeline import paths
from deepcredit.schema.common import Experiment
from deepcredit.schema.figure import Figure


def experiment_names() -> list[str]:
    """Every experiment of `conf/experiment`, sorted."""
    return sorted(p.stem for p in (paths.conf() / "experiment").glob("*.yaml"))


def scale_names() -> list[str]:
    """Every scale of `conf/scale`, sorted."""
    return sorted(p.stem for p in (paths.conf() / "scale").glob("*.yaml"))


def figure_names() -> list[str]:
    """Every figure of `conf/figure` as `group/id`, sorted."""
    folder = paths.conf() / "figure"
    return sorted(p.relative_to(folder).with_suffix("").as_posix() for p in folder.glob("*/*.yaml"))


def schema_of(kind: str) -> type[Experiment]:
    """The config class of a kind of experiment: `deepcredit.schema.<kind>.<CamelCase of kind>`."""
    module = importlib.import_module(f"deepcredit.schema.{kind}")
    return getattr(module, "".join(part.capitalize() for part in kind.split("_")))


@cache
def _register() -> None:
    store = ConfigStore.instance()
    for module in pkgutil.iter_modules(deepcredit.schema.__path__):
        try:
            schema = schema_of(module.name)
        except AttributeError:
            continue
        if issubclass(schema, Experiment):
            store.store(group="schema", name=module.name, node=schema)


def _hydra_compose(overrides: Sequence[str]) -> DictConfig:
    _register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def experiment_config(overrides: Sequence[str]) -> DictConfig:
    """Composed config of one experiment (`experiment=<name>` among the overrides).

    Raises a `UserError` for an unknown name, key or option, a wrong type, and for overrides that cannot be parsed.
    """
    try:
        config = _hydra_compose(overrides)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise explained(error, overrides) from error
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
        raise explained(error, [f"experiment={config.experiment}", *overrides]) from error
    return changed


def figure_config(name: str) -> Figure:
    """Typed config of the figure `group/id`. Raises a `UserError` for an unknown figure or a faulty file."""
    path = paths.conf() / "figure" / f"{name}.yaml"
    if not path.is_file():
        raise unknown_figure(name)
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Figure), OmegaConf.load(path))
        figure = OmegaConf.to_object(merged)
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise UserError(f"{path.relative_to(paths.root())}: {_reason(error)}") from error
    assert isinstance(figure, Figure)
    for experiment in figure.experiments.values():
        if experiment not in experiment_names():
            raise unknown(f"experiment in figure {name}:", experiment, experiment_names())
    return figure


def unknown_figure(name: str) -> UserError:
    """Error for a figure id that does not exist, with or without its group."""
    return unknown("figure", name.split("/")[-1], [n.split("/")[-1] for n in figure_names()])


# --- what went wrong, in one line ---------------------------------------------------------------------------------


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def explained(error: Exception, overrides: Sequence[str]) -> UserError:
    """The `UserError` that says what Hydra or OmegaConf meant by `error`."""
    if isinstance(error, OverrideParseException):
        return UserError(f"cannot read the override {error.override!r}; write key=value, key=[a,b] or group=option")
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return UserError(f"{Path(mark.name).name}, line {mark.line + 1}: not valid YAML: {error.problem}")
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return unknown(group or "config", name, error.options or [])
    if missing := re.search(r"You must specify '(\w+)'", str(error)):
        return UserError(
            f"{missing[1]} is not chosen; write {missing[1]}=<name>, for example {missing[1]}={_example()}"
        )
    if wrong := re.search(r"Could not override '([^']+)'", str(error)):
        return _unknown_setting(wrong[1], overrides)
    return UserError(_reason(error, overrides))


def _example() -> str:
    return next(iter(experiment_names()), "<none defined>")


def _unknown_setting(key: str, overrides: Sequence[str]) -> UserError:
    groups = [o for o in overrides if o.split("=")[0] in ("experiment", "scale")]
    known = [name for name, _ in leaves(OmegaConf.to_container(_hydra_compose(groups)))]
    value = _given(key, overrides) or ""
    inside = [k for k in known if k.startswith(f"{key}.")]
    if inside:
        return UserError(f"{key}={value} sets a whole section; set one of {', '.join(inside)}")
    siblings = [k for k in known if k.rpartition(".")[0] == key.rpartition(".")[0]]
    allowed = ", ".join(siblings or known)
    return UserError(f"unknown setting {key}={value}{nearest(key, known)}; allowed here: {allowed}")


def _reason(error: BaseException, overrides: Sequence[str] = ()) -> str:
    """First line of the innermost complaint, led by the setting and the value that it is about."""
    inner = [e for e in _chain(error) if isinstance(e, OmegaConfBaseException) and "$" not in str(e)]
    if not inner:
        return str(error).splitlines()[0]
    cause = inner[-1]
    key = next((e.full_key for e in inner if e.full_key), "") or _overridden(error)
    text = str(cause).splitlines()[0]
    value = _given(key, overrides)
    if options := re.search(r"Invalid value '(.*)', expected one of \[(.*)\]", text):
        allowed = options[2].split(", ")
        return f"{key}={options[1]} is not valid{nearest(options[1], allowed)}; allowed: {', '.join(allowed)}"
    if unknown_key := re.search(r"Key '(.*)' not in '(\w+)'", text):
        fields = _fields_named(unknown_key[2])
        return f"unknown setting {key}{nearest(unknown_key[1], fields)}; allowed: {', '.join(fields)}"
    return f"{key}{'' if value is None else '=' + value}: {text[:1].lower()}{text[1:]}"


def _given(key: str, overrides: Sequence[str]) -> str | None:
    """The value that the last override of `key` gives it."""
    values = [o.partition("=")[2] for o in overrides if o.lstrip("+~").partition("=")[0] == key]
    return values[-1] if values else None


def _overridden(error: BaseException) -> str:
    found = re.search(r"Error merging override ([^=\s]+)=", str(error))
    return found[1] if found else ""


def _fields_named(class_name: str) -> list[str]:
    """Field names of the schema class called `class_name`, wherever in the schema room it lives."""
    for info in pkgutil.iter_modules(deepcredit.schema.__path__):
        candidate = getattr(importlib.import_module(f"deepcredit.schema.{info.name}"), class_name, None)
        if dataclasses.is_dataclass(candidate):
            return [f.name for f in dataclasses.fields(candidate)]
    return []


# --- plain trees and typed objects --------------------------------------------------------------------------------


def tree_of(config: Any) -> Any:
    """Nested dicts and lists of a config, with the values as the schema types them."""
    return OmegaConf.to_container(config, resolve=True, structured_config_mode=SCMode.DICT)


def leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of every leaf of nested mappings; lists and empty mappings are leaves."""
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, tree


def set_leaf(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set the dotted `key` in nested dicts."""
    *parents, last = key.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
    tree[last] = value


@cache
def _hints(schema: type) -> dict[str, Any]:
    return typing.get_type_hints(schema)


def instantiate(schema: type, tree: Mapping[str, Any]) -> Any:
    """The dataclass `schema` from nested dicts whose values have their types already; runs every range check."""
    hints = _hints(schema)
    values = {
        key: instantiate(hints[key], value) if dataclasses.is_dataclass(hints[key]) else value
        for key, value in tree.items()
    }
    return schema(**values)


def plain(value: Any) -> Any:
    """`value` with enumeration members replaced by their names, for hashing and for writing."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
