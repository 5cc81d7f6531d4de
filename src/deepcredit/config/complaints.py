"""From what Hydra and OmegaConf raise to one line that a person can act on."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from deepcredit.core.errors import UserError, nearest, unknown

#: the settings that overrides like `experiment=NAME` lead to, by dotted key
Settings = Callable[[Sequence[str]], list[str]]

#: group of Hydra → its options that are there with an extra of the same name
EXTRAS = {"hydra/sweeper": ("optuna",), "hydra/launcher": ("joblib", "submitit")}


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
        if not error.options:
            return UserError(f"no config {error.missing_cfg_file!r} in conf/ or another folder on Hydra's search path")
        return UserError(f"{unknown(group or 'config', name, error.options)}{_extra(group, name)}")
    if missing := re.search(r"You must specify '(\w+)'", str(error)):
        return not_chosen(missing[1], example)
    if left_out := re.search(r"Error resolving interpolation '\$\{(\w+)\}", str(error)):
        return UserError(f"{left_out[1]} is left out; write {left_out[1]}=<name>")
    if several := re.search(r"(?:Ambiguous value for argument|Sweep parameters) '(.*)'", str(error)):
        return _several(several[1])
    if wrong := re.search(r"Could not override '([^']+)'", str(error)):
        chosen = any(override.partition("=")[0] == "experiment" for override in overrides)
        return _unknown_setting(wrong[1], overrides, settings) if chosen else not_chosen("experiment", example)
    return UserError(reason(error, overrides))


def not_chosen(group: str, example: str) -> UserError:
    """Error for a group of which one option has to be chosen."""
    return UserError(f"{group} is not chosen; write {group}=<name>, for example {group}={example}")


def _several(override: str) -> UserError:
    key, _, values = override.partition("=")
    as_list = f", or write {key}=[{values}] where a list is meant" if "(" not in values else ""
    return UserError(f"{override} is several values; add -m for a run with each{as_list}")


def _extra(group: str, name: str) -> str:
    """How to install an option of Hydra that an extra brings."""
    extra = name.partition("_")[0]
    return f"; install it with `pip install -e '.[{extra}]'`" if extra in EXTRAS.get(group, ()) else ""


def _unknown_setting(key: str, overrides: Sequence[str], settings: Settings) -> UserError:
    value = _given(key, overrides) or ""
    if key.startswith("hydra."):
        return UserError(f"unknown setting {key}={value} of Hydra; `deepcredit run --cfg hydra` shows those there are")
    known = settings([o for o in overrides if o.partition("=")[0] in ("experiment", "scale")])
    inside = [k for k in known if k.startswith(f"{key}.")]
    if inside:
        return UserError(f"{key}={value} sets a whole section; set one of {', '.join(inside)}")
    siblings = [k for k in known if k.rpartition(".")[0] == key.rpartition(".")[0]]
    allowed = f"; allowed here: {', '.join(siblings or known)}" if known else ""
    return UserError(f"unknown setting {key}={value}{nearest(key, known)}{allowed}")


def reason(error: BaseException, overrides: Sequence[str] = ()) -> str:
    """First line of the innermost complaint, led by the setting and the value that it is about."""
    inner = [e for e in _chain(error) if isinstance(e, OmegaConfBaseException) and "$" not in str(e)]
    if not inner:
        first, *others = str(error).splitlines()
        return f"{first} {others[0]}" if first.endswith(":") and others else first
    cause = inner[-1]
    key = next((e.full_key for e in inner if e.full_key), "") or _overridden(error)
    text = str(cause).splitlines()[0]
    value = _given(key, overrides)
    if options := re.search(r"Invalid value '(.*)', expected one of \[(.*)\]", text):
        allowed = options[2].split(", ")
        return f"{key}={options[1]} is not valid{nearest(options[1], allowed)}; allowed: {', '.join(allowed)}"
    if unknown_key := re.search(r"Key '(.*)' not in '\w+'", text):
        fields = _fields(cause)
        return f"unknown setting {key}{nearest(unknown_key[1], fields)}; allowed: {', '.join(fields)}"
    setting = key if value is None else f"{key}={value}"
    return f"{setting}{': ' if setting else ''}{text[:1].lower()}{text[1:]}"


def _given(key: str, overrides: Sequence[str]) -> str | None:
    """The value that the last override of `key` gives it."""
    values = [o.partition("=")[2] for o in overrides if o.lstrip("+~").partition("=")[0] == key]
    return values[-1] if values else None


def _overridden(error: BaseException) -> str:
    found = re.search(r"Error merging override ([^=\s]+)=", str(error))
    return found[1] if found else ""


def _fields(error: OmegaConfBaseException) -> list[str]:
    """Field names of the schema class that `error` is about."""
    schema = error.object_type
    return [f.name for f in dataclasses.fields(schema)] if schema and dataclasses.is_dataclass(schema) else []
