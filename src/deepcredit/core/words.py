"""Times, sizes and values as a person reads them: one way to write each, everywhere."""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def duration(seconds: float) -> str:
    """A time in two units at most: `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    whole = round(seconds)
    for unit, size, part, small in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"


def cost(seconds: float) -> str:
    """What something takes, as `duration` says it, but never nothing: `< 1 s`."""
    return "< 1 s" if 0 < seconds < 1 else duration(seconds)


def size(n_bytes: float) -> str:
    """A number of bytes in words: `12.3 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "bytes" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def shown(value: Any) -> str:
    """A value for a reader: numbers to four digits, lists with commas, mappings as `name value`."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {shown(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(shown(item) for item in value)
    return str(value)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    text = f"{value:.4g}"
    mantissa, _, exponent = text.partition("e")
    written = mantissa if not exponent else f"{mantissa}e{int(exponent)}"
    return written.replace("-", "−")


def aligned(rows: Sequence[Sequence[str]], left: int = 2) -> list[str]:
    """Rows of a table with columns under one another: the first `left` at the left, numbers at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [
        [cell.ljust(w) if k < left else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))]
        for row in rows
    ]
    return ["  ".join(row).rstrip() for row in padded]
