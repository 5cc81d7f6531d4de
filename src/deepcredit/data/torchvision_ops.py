"""Make `import torchvision` work beside a CPU-only torch build. Import this module before torchvision or Lightning.

The torchvision wheel brings compiled operators that link against the CUDA libraries. Without those they cannot be
loaded, and `import torchvision` fails while it registers shape functions for the operators `torchvision::nms` and
`torchvision::qnms`. Their schemas are all it needs, so they are declared here, without an implementation, and only
where the compiled ones are missing. Data sets and transforms use neither.
"""

from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from importlib.util import find_spec

import torch

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def _compiled_operators() -> str | None:
    """File of torchvision's compiled operators, without importing torchvision; None where there is no such file."""
    package = find_spec("torchvision")
    if package is None or not package.submodule_search_locations:
        return None
    finder = FileFinder(package.submodule_search_locations[0], (ExtensionFileLoader, EXTENSION_SUFFIXES))
    found = finder.find_spec("_C")
    return found.origin if found else None


def _load_compiled() -> None:
    """Load torchvision's own operators, where they can be."""
    path = _compiled_operators()
    if path is None:
        return
    try:
        torch.ops.load_library(path)
    except (ImportError, OSError):
        return  # built for another torch: the case this module is for


def declare_missing() -> torch.library.Library | None:
    """Declare the operators torchvision's import asks for, unless they exist.

    Returns the library that holds the declarations, which last as long as it does, or None if nothing was missing.
    """
    _load_compiled()
    missing = [schema for name, schema in SCHEMAS.items() if not hasattr(torch.ops.torchvision, name)]
    if not missing:
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in missing:
        library.define(schema)
    return library


_library = declare_missing()
