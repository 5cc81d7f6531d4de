"""`deepcredit new-study NAME --into FOLDER`: a package with a study that works, to be changed into one's own.

The files are the templates beside this module: `NAME` in a path and Jinja's `{{ name }}` in a text stand for the
study's name.
"""

import importlib.util
import keyword
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from deepcredit.config.compose import experiment_names, figure_names
from deepcredit.config.studies import API, kinds, studies
from deepcredit.core.errors import UserError, check

TEMPLATES = Path(__file__).with_name("templates")

#: what a template is called after its suffix, so that no tool takes it for code
SUFFIX = ".j2"


def new_study(name: str, into: Path) -> Path:
    """Write the skeleton of the study `name` into the folder `into`; returns its own folder, `into/name`.

    Raises a `UserError`, with nothing written, for a name that cannot be one or is taken, and where it cannot write.
    """
    check_name(name)
    folder = into / name
    if os.path.lexists(folder):
        raise UserError(f"{folder} is there already; choose another name or another folder")
    _write(folder, rendered(name))
    return folder


def check_name(name: str) -> None:
    """Raise a `UserError` unless `name` can be that of a new package, study and kind of experiment."""
    usable = re.fullmatch(r"[a-z]([a-z0-9_]*[a-z0-9])?", name) and not keyword.iskeyword(name)
    check(bool(usable), "NAME", name, "a Python identifier in lower case that ends in a letter or a digit")
    figure_ids = [figure.partition("/")[2] for figure in figure_names()]
    _check_free("study", name, studies())
    _check_free("kind of experiment", name, kinds())
    _check_free("experiment", example_of(name), experiment_names())
    _check_free("figure", example_of(name), figure_ids)
    if importlib.util.find_spec(name) is not None:
        raise UserError(f"NAME={name!r} is taken: `import {name}` finds another module; choose another name")


def _check_free(what: str, name: str, taken: Iterable[str]) -> None:
    if name in taken:
        raise UserError(f"there is a {what} {name!r} already; choose another name")


def example_of(name: str) -> str:
    """What the experiment and the figure of a new study are called."""
    return f"{name}_example"


def rendered(name: str) -> dict[str, str]:
    """The texts of the skeleton's files by their paths."""
    given = {
        "name": name,
        "example": example_of(name),
        "title": name.replace("_", " ").capitalize(),
        "api": API,
    }
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    texts = {file: file.read_text(encoding="utf-8") for file in sorted(TEMPLATES.rglob(f"*{SUFFIX}"))}
    return {_path(file, name): environment.from_string(text).render(given) for file, text in texts.items()}


def _path(template: Path, name: str) -> str:
    return template.relative_to(TEMPLATES).as_posix().removesuffix(SUFFIX).replace("NAME", name)


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write all files or none: into a folder beside `folder` first, which takes its name in the end."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise UserError(f"cannot write into {folder.parent}: {error.strerror}") from error
    try:
        for name, text in files.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_text(text, encoding="utf-8")
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
