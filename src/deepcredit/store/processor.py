"""Which processor this is. Two that differ in their vector instructions may differ in the last bits of a number."""

import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

#: what Linux says of its processors
CPUINFO = Path("/proc/cpuinfo")

#: vector instructions that linear algebra has code of its own for, the widest first
VECTORS = ("avx512f", "avx2", "avx", "sve", "asimd")


@cache
def processor() -> str:
    """Name, family, model and widest vector instructions, e.g. `AMD EPYC, family 25, model 1, avx2`."""
    try:
        found = described(CPUINFO.read_text(encoding="utf-8"))
    except OSError:
        found = ""
    return found or platform.processor() or platform.machine()


def described(cpuinfo: str) -> str:
    """The same for the text of a `/proc/cpuinfo`; empty where it says nothing of this."""
    first = dict(_fields(cpuinfo.partition("\n\n")[0]))
    name = first.get("model name", first.get("CPU part", ""))
    numbers = [f"{word} {first[key]}" for word, key in (("family", "cpu family"), ("model", "model")) if key in first]
    return ", ".join(filter(None, [name, *numbers, _vectors(first)]))


def _fields(text: str) -> list[tuple[str, str]]:
    pairs = (line.partition(":") for line in text.splitlines())
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def _vectors(fields: Mapping[str, str]) -> str:
    flags = fields.get("flags", fields.get("Features", "")).split()
    return next((name for name in VECTORS if name in flags), "")
