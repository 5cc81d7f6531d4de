"""Records by name: what an activation function, a rule, a data set or a study is, found here and in installed packages.

A record is one module-level constant `RECORD` of a module in the registry's own package, or what an installed package
names under the registry's entry-point group. Records import no torch; what computes is named by them and imported late.
"""

import dataclasses
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from deepcredit.core.errors import UserError, check, unknown


@dataclass(frozen=True, kw_only=True)
class Record:
    """Something that configs choose by its `name`."""

    name: str

    def allows(self, need: str) -> bool:  # noqa: ARG002 - for records that can do more than one thing
        """Whether it can do what a setting needs of it."""
        return True

    def code(self, need: str) -> tuple[str, ...]:  # noqa: ARG002
        """Modules whose code a number depends on, where a setting names this record for what it `need`s."""
        return ()

    def facts(self) -> Mapping[str, Any]:
        """What of the record itself changes a number. Labels, colours and costs do not."""
        return {}


R = TypeVar("R", bound=Record)

#: who brings the project's own records
OWN = "deepcredit"


@dataclass(frozen=True)
class Found(Generic[R]):
    """A record, the module it is in, and who brings it."""

    record: R
    module: str
    origin: str


#: the files of the frames that any import goes through
IMPORTING = (__file__, importlib.__file__, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")

#: all registries that were made
_REGISTRIES: list["Registry[Any]"] = []


class Registry(Generic[R]):
    """Records of one type.

    Those of the project are `RECORD` of every module of `package` (with `module`, of that module of every package in
    it); others are entry points of the group `deepcredit.<group>`. Raises `UserError`, with who brings it, for one that
    cannot be loaded, is of another type, or takes a name that is taken.
    """

    def __init__(self, what: str, record: type[R], *, package: str, group: str, module: str = "") -> None:
        self.what, self._type, self._package, self._module = what, record, package, module
        self.group = f"deepcredit.{group}"
        _REGISTRIES.append(self)

    def __getitem__(self, name: str) -> R:
        return self.found(name).record

    def __iter__(self) -> Iterator[R]:
        return (found.record for found in self._all.values())

    def __contains__(self, name: str) -> bool:
        return name in self._all

    @property
    def names(self) -> list[str]:
        """Of all records, those of the project first."""
        return list(self._all)

    @property
    def modules(self) -> list[str]:
        """Those in which the records are."""
        return [found.module for found in self._all.values()]

    def found(self, name: str) -> Found[R]:
        """The record with where it is from. Raises `UserError` with the names for an unknown one."""
        if name not in self._all:
            raise unknown(self.what, name, self._all)
        return self._all[name]

    @cached_property
    def _all(self) -> dict[str, Found[R]]:
        known: dict[str, Found[R]] = {}
        for found in [*self._own(), *self._installed()]:
            name = found.record.name
            if name in known:
                raise UserError(f"{self.what} {name!r} is there twice: from {known[name].origin} and {found.origin}")
            known[name] = found
        return known

    def _own(self) -> Iterator[Found[R]]:
        inner = f".{self._module}" if self._module else ""
        path = importlib.import_module(self._package).__path__
        for info in sorted(pkgutil.iter_modules(path), key=lambda info: info.name):
            if bool(self._module) == info.ispkg:
                module = f"{self._package}.{info.name}{inner}"
                yield Found(importlib.import_module(module).RECORD, module, OWN)

    def _installed(self) -> Iterator[Found[R]]:
        points = importlib.metadata.entry_points(group=self.group)
        for point in sorted(points, key=lambda point: (point.dist.name if point.dist else "", point.name)):
            origin = f"the package {point.dist.name}" if point.dist else point.value
            try:
                record = load(point.value)
            except UserError as error:
                raise UserError(
                    f"{self.what} {point.name!r} of {origin}: {error}; mend it, install a release of it for this "
                    "deepcredit, or uninstall the package"
                ) from error
            if not isinstance(record, self._type):
                raise UserError(f"{self.what} {point.name!r} of {origin}: {point.value} is no {self._type.__name__}")
            yield Found(record, point.module, origin)


def record_modules() -> list[str]:
    """The modules of all records of all registries."""
    return [module for registry in _REGISTRIES for module in registry.modules]


def load(name: str) -> Any:
    """What `module:attribute` names; imports the module. Raises a `UserError` in one line where that fails."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(imported(module), attribute)
    except AttributeError as error:
        raise UserError(f"{module} has no {attribute!r}") from error


def imported(module: str) -> ModuleType:
    """The module of that name. Raises a `UserError` in one line, with its cause, where importing it fails."""
    try:
        return importlib.import_module(module)
    except UserError:
        raise
    except Exception as error:  # whatever somebody else's module does when it is imported
        raise UserError(f"{module} cannot be imported: {_said(error)}") from error


def _said(error: Exception) -> str:
    """What kind of error it is, what it says first, and where it was raised."""
    text = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    if isinstance(error, SyntaxError):  # says so itself
        return text
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename not in IMPORTING]
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else text


def module_of(name: str) -> str:
    """The module of `module:attribute`."""
    return name.partition(":")[0]


@cache
def packages() -> tuple[str, ...]:
    """The top-level packages whose code computes and draws: this one, and those that bring records."""
    groups = (g for g in importlib.metadata.entry_points().groups if g.startswith("deepcredit."))
    points = [point for group in sorted(groups) for point in importlib.metadata.entry_points(group=group)]
    return tuple(dict.fromkeys(["deepcredit", *sorted(point.module.split(".")[0] for point in points)]))


# --- settings that name a record ----------------------------------------------------------------------------------


def named(registry: Registry[Any], default: str | list[str], need: str = "") -> Any:
    """Dataclass field of a setting that names a record (`str`), or several (`list[str]`, each once).

    `need` is what the record must be able to do (`Record.allows`).
    """
    metadata = {"registry": registry, "need": need}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


#: marks a section whose settings are those that the records chosen have, so that a schema cannot list them
_OPEN = "open"


def options_section() -> Any:
    """Dataclass field of a section for the options of the records chosen; the schema checks them."""
    return field(default_factory=dict, metadata={_OPEN: True})


def open_sections(schema: Any) -> list[str]:
    """The sections of a config's dataclass that take any settings, as `options_section` does."""
    return [f.name for f in dataclasses.fields(schema) if _OPEN in f.metadata]


@dataclass(frozen=True)
class Choice:
    """A record that a setting names: the setting's key, the registry, the name, and what is needed of it."""

    key: str
    registry: Registry[Any]
    name: str
    need: str

    @property
    def record(self) -> Any:
        return self.registry[self.name]


def choices(config: Any, prefix: str = "") -> Iterator[Choice]:
    """Every record that the settings of a dataclass name, those of its sections included."""
    for f in dataclasses.fields(config):
        key, value = f"{prefix}{f.name}", getattr(config, f.name)
        if dataclasses.is_dataclass(value):
            yield from choices(value, f"{key}.")
        elif "registry" in f.metadata:
            for name in value if isinstance(value, list) else [value]:
                yield Choice(key, f.metadata["registry"], name, f.metadata["need"])


def check_choices(config: Any, prefix: str = "") -> None:
    """Raise a `UserError` where a setting names an unknown record, one that cannot do what is needed, or one twice.

    `prefix` is that of the settings' keys, for a section that looks at its own.
    """
    seen: set[tuple[str, str]] = set()
    for choice in choices(config, prefix):
        allowed = [record.name for record in choice.registry if record.allows(choice.need)]
        if choice.name not in choice.registry:
            raise UserError(f"{choice.key}: {unknown(choice.registry.what, choice.name, allowed)}")
        check(choice.name in allowed, choice.key, choice.name, ", ".join(sorted(allowed)))
        check((choice.key, choice.name) not in seen, choice.key, choice.name, "a list without repetitions")
        seen.add((choice.key, choice.name))
