"""From what Hydra and OmegaConf raise to one line that a person can act on."""

import dataclasses
import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from deepcredit.config.studies import kinds
from deepcredit.core.errors import UserError, nearest, unknown
from deepcredit.core.registry import module_of

#: the settings that overrides like `experiment=NAME` lead to, by dotted key
Settings = Callable[[Sequence[str]], list[str]]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def explained(error: Exception, overrides: Sequence[str], settings: Settings, example: str) -> UserError:
    """The `UserError` that says what Hydra or OmegaConf meant by `error`.

    `settings` knows the settings there are, `example` is an experiment to show.
    """
    if isinstance(error, OverrideParseException):
        return UserError(f"cannot read the override {error.override!r}; write key=value, key=[a,b] or group=option")
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return UserError(f"{Path(mark.name).name}, line {mark.line + 1}: not valid YAML: {error.problem}")
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return unknown(group or "config", name, error.options or [])
    if missing := re.search(r"You must specify '(\w+)'", str(error)):
        return UserError(f"{missing[1]} is not chosen; write {missing[1]}=<name>, for example {missing[1]}={example}")
    if wrong := re.search(r"Could not override '([^']+)'", str(error)):
        return _unknown_setting(wrong[1], overrides, settings)
    return UserError(reason(error, overrides))


def _unknown_setting(key: str, overrides: Sequence[str], settings: Settings) -> UserError:
    groups = [o for o in overrides if o.split("=")[0] in ("experiment", "scale")]
    known = settings(groups)
    value = _given(key, overrides) or ""
    inside = [k for k in known if k.startswith(f"{key}.")]
    if inside:
        return UserError(f"{key}={value} sets a whole section; set one of {', '.join(inside)}")
    siblings = [k for k in known if k.rpartition(".")[0] == key.rpartition(".")[0]]
    allowed = ", ".join(siblings or known)
    return UserError(f"unknown setting {key}={value}{nearest(key, known)}; allowed here: {allowed}")


def reason(error: BaseException, overrides: Sequence[str] = ()) -> str:
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
    """Field names of the schema class called `class_name`, wherever among those of kinds and figures it is."""
    for module in ("deepcredit.config.figure", *(module_of(kind.schema) for kind in kinds().values())):
        candidate = getattr(importlib.import_module(module), class_name, None)
        if dataclasses.is_dataclass(candidate):
            return [f.name for f in dataclasses.fields(candidate)]
    return []
