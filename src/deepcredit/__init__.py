"""Rebuild the figures of five works on credit assignment in deep networks, and keep them rebuilt."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepcredit.notebook import load, table

__version__ = "0.1.0"

__all__ = ["load", "table"]


def __getattr__(name: str) -> Any:
    """What a notebook uses, imported when it is asked for."""
    if name in __all__:
        return getattr(importlib.import_module("deepcredit.notebook"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
