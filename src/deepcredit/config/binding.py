"""Options of figures and claims, held against the signatures of the functions that take them."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NotRequired, cast, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from deepcredit.config.figure import Claim, Figure
from deepcredit.config.studies import drawing_module
from deepcredit.core.errors import UserError, nearest
from deepcredit.core.registry import imported

#: the positional parameter that takes all roles
ALL_ROLES = "data"

#: fields of a claim that its function may ask for by name
OF_CLAIM = ("published", "tolerance")


@dataclass(frozen=True)
class Bound:
    """A drawing or claim function with its options, typed; called with the arrays by role."""

    function: Callable[..., Any]
    roles: tuple[str, ...]
    options: Mapping[str, Any]

    def __call__(self, data: Mapping[str, Any]) -> Any:
        return self.function(*(data if role == ALL_ROLES else data[role] for role in self.roles), **self.options)


def bind_figure(study: str, name: str, figure: Figure) -> tuple[Bound, list[Bound]]:
    """What draws a figure, and what answers each of its claims.

    Raises a `UserError` naming figure, claim and key for a function that is not there, an option that is unknown,
    missing or of another type, and a role that the figure lacks.
    """
    module_name, function = drawing_module(study, figure.draw)
    where = f"figure {name}"
    module = _module(module_name, f"{where}: draw={figure.draw!r}")
    draw = bind(_function(module, function, where), figure.options, figure.experiments, where)
    claims = [
        _bind_claim(module, claim, figure.experiments, f"{where}: claim {number} ({claim.check})")
        for number, claim in enumerate(figure.claims, 1)
    ]
    return draw, claims


def _bind_claim(module: Any, claim: Claim, roles: Collection[str], where: str) -> Bound:
    function = _function(module, claim.check, where)
    taken = _signature(function)[1]
    fields = {name: value for name in OF_CLAIM if (value := getattr(claim, name)) is not None}
    if "tolerance" in fields and "tolerance" not in taken:
        raise UserError(f"{where}: it takes no tolerance")
    repeated = [name for name in OF_CLAIM if name in claim.options]
    if repeated:
        raise UserError(f"{where}: {repeated[0]} belongs beside `check`, not among the options")
    options = {**claim.options, **{name: value for name, value in fields.items() if name in taken}}
    return bind(function, options, roles, where)


def bind(function: Callable[..., Any], options: Mapping[str, Any], roles: Collection[str], where: str) -> Bound:
    """A function with its options. Raises a `UserError`, led by `where`, unless they fit its signature."""
    positional, keywords = _signature(function)
    missing = [role for role in positional if role not in (ALL_ROLES, *roles)]
    if missing:
        raise UserError(f"{where}: needs the role {missing[0]!r} among its experiments; it has {', '.join(roles)}")
    unknown = [name for name in options if name not in keywords]
    if unknown:
        allowed = ", ".join(name for name in keywords if name not in OF_CLAIM) or "none"
        raise UserError(f"{where}: unknown option {unknown[0]!r}{nearest(unknown[0], keywords)}; allowed: {allowed}")
    try:
        typed = _options(function).validate_python(dict(options), context={"roles": list(roles)})
    except ValidationError as error:
        raise UserError(f"{where}: {_complaint(error.errors(include_url=False), options)}") from error
    return Bound(function, positional, typed)


@cache
def _signature(function: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the positional parameters, which are roles, and of the keyword parameters, which are options."""
    parameters = inspect.signature(function).parameters.values()
    positional = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
    return positional, tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


@cache
def _options(function: Callable[..., Any]) -> TypeAdapter[dict[str, Any]]:
    """What a function's options must be; those with a default may be left out, and none may be beside them."""
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters
    fields = {
        name: hints[name] if parameters[name].default is inspect.Parameter.empty else NotRequired[hints[name]]
        for name in _signature(function)[1]
    }
    options = cast(Any, TypedDict)("options", fields)
    options.__pydantic_config__ = ConfigDict(extra="forbid")  # dataclasses within follow it
    return TypeAdapter(options)


def _complaint(errors: Sequence[ErrorDetails], options: Mapping[str, Any]) -> str:
    """What is wrong with one option, in one line: the key, what was found, what is allowed.

    A union complains once for each of its members; what leads deepest is what was meant.
    """
    of_option = [error for error in errors if error["loc"][0] == errors[0]["loc"][0]]
    worst = max(of_option, key=lambda error: len(_found(error["loc"], options)[0]))
    key, value = _found(worst["loc"], options)
    if worst["type"] == "missing":
        return f"{_joined((*key, worst['loc'][-1]))} is missing"
    if worst["type"] == "unexpected_keyword_argument":
        return f"unknown option {_joined(key)!r}"
    allowed = dict.fromkeys(_allowed(error) for error in of_option if _found(error["loc"], options)[0] == key)
    return f"{_joined(key)}={_shown(value)} is not valid; allowed: {' or '.join(allowed)}"


def _found(loc: Sequence[int | str], options: Any) -> tuple[tuple[int | str, ...], Any]:
    """The place of an error in the options, and what is there; parts of `loc` that name a type lead nowhere."""
    key: list[int | str] = []
    for part in loc:
        in_list = isinstance(options, list | tuple) and isinstance(part, int)
        if in_list or (isinstance(options, Mapping) and part in options):
            key, options = [*key, part], options[part]
    return tuple(key), options


def _allowed(error: ErrorDetails) -> str:
    text = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return text[:1].lower() + text[1:]


def _joined(key: Sequence[int | str]) -> str:
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _module(name: str, where: str) -> Any:
    try:
        return imported(name)
    except UserError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name and name.startswith(cause.name):
            raise UserError(f"{where} is not valid; allowed: module.function of {name.rpartition('.')[0]}") from error
        raise UserError(f"{where}: {error}") from error


def _function(module: Any, name: str, where: str) -> Callable[..., Any]:
    functions = inspect.getmembers_static(module, inspect.isfunction)
    own = {key: found for key, found in functions if found.__module__ == module.__name__}
    if name not in own:
        raise UserError(f"{where}: {module.__name__} has no function {name!r}{nearest(name, own)}")
    return own[name]
