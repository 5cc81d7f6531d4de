"""Where things are: the project's root, and what a run writes below `results/`."""

from functools import cache
from pathlib import Path

import deepcredit
from deepcredit.core.errors import UserError

PACKAGE = Path(deepcredit.__file__).resolve().parent


@cache
def root() -> Path:
    """The clone that the working directory lies in, or else the one that the package was installed from.

    Raises a `UserError` where that clone's code is not the code that runs, since its arrays would carry wrong names.
    """
    here = Path.cwd().resolve()
    for folder in (here, *here.parents, PACKAGE.parents[1]):
        if (folder / "conf" / "config.yaml").is_file() and (folder / "Snakefile").is_file():
            break
    else:
        raise UserError(f"no deepcredit project at or above {here}; change into a clone of the repository")
    if (folder / "src" / "deepcredit").resolve() != PACKAGE:
        raise UserError(f"the deepcredit installed is not the one of this clone ({folder}); run `make env` in it")
    return folder


def conf() -> Path:
    return root() / "conf"


def store() -> Path:
    return root() / "results" / "store"


def cache_folder() -> Path:
    return root() / "results" / "cache"


def checkpoints() -> Path:
    return root() / "results" / "checkpoints"


def runs() -> Path:
    return root() / "results" / "runs"


def results(scale: str) -> Path:
    return root() / "results" / scale


def relative(path: Path) -> str:
    """`path` as it is written in commands and provenance: from the project's root."""
    return path.relative_to(root()).as_posix()
