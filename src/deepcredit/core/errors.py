"""The one error that a user can cause, and how it names what went wrong."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that a user can put right. Its message is one line; the command line exits with code 2."""


def nearest(value: str, allowed: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"` for the closest of `allowed`, or nothing where none is close."""
    close = difflib.get_close_matches(value, list(allowed), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def unknown(what: str, value: str, allowed: Iterable[str]) -> UserError:
    """Error for a name that does not exist: what it should name, the value found, what is allowed."""
    allowed = sorted(allowed)
    return UserError(f"unknown {what} {value!r}{nearest(value, allowed)}; allowed: {', '.join(allowed)}")


def check(holds: bool, key: str, value: object, allowed: str) -> None:
    """Raise a `UserError` naming setting, value and what is allowed unless `holds`."""
    if not holds:
        raise UserError(f"{key}={value!r} is not valid; allowed: {allowed}")
