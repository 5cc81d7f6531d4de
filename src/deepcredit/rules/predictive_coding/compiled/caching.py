"""Compiles functions, and keeps them on disk until a file that they are made from has changed.

Numba by itself looks at no other file than the function's own.
"""

import hashlib
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator

from deepcredit.core.registry import module_of
from deepcredit.nets.activations import ACTIVATIONS


class _MadeFromAll:
    """A place for compiled code that is stale where any of `sources` has another content."""

    def get_source_stamp(self) -> str:
        return sources()


class Provided(_MadeFromAll, UserProvidedCacheLocator):
    """The folder that the environment names."""


class InTree(_MadeFromAll, InTreeCacheLocator):
    """Beside the function's file."""


class UserWide(_MadeFromAll, UserWideCacheLocator):
    """The user's own cache, where that cannot be written to."""


#: numba's, of which a function's own are those at its decoration
_SETTINGS: Any = config
_PLACES = ",".join(f"{place.__module__}.{place.__name__}" for place in (Provided, InTree, UserWide))


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled at its first call for every combination of types."""
    before = _SETTINGS.CACHE_LOCATOR_CLASSES
    _SETTINGS.CACHE_LOCATOR_CLASSES = _PLACES
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        _SETTINGS.CACHE_LOCATOR_CLASSES = before


@cache
def sources() -> str:
    """Digest of all files beside this one, and beside the kernels of the activation functions."""
    folders = {Path(__file__).parent, *(_folder(activation.kernel) for activation in ACTIVATIONS if activation.kernel)}
    files = sorted(file for folder in folders for file in folder.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _folder(kernel: str) -> Path:
    spec = importlib.util.find_spec(module_of(kernel))
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"there is no module {module_of(kernel)}")
    return Path(spec.origin).parent
