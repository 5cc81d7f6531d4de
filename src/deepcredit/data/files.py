"""The raw files of data sets: where they lie, and whether they are what they must be. Imports no torch.

The layout is torchvision's: `<root>/<folder>/raw/<file>`, with the raw IDX files unpacked.
"""

import os
from pathlib import Path

from deepcredit.core.errors import UserError
from deepcredit.core.files import checksum
from deepcredit.data.datasets import DataSet, RawFiles

#: environment variable that names the folder of all data sets
ROOT_VARIABLE = "DEEPCREDIT_DATA"


def project_root() -> Path:
    """Folder of the project: where pyproject.toml lies above this file, else the current folder."""
    above = Path(__file__).resolve().parents[3]
    return above if (above / "pyproject.toml").is_file() else Path.cwd()


def root() -> Path:
    """Folder of all data sets: `$DEEPCREDIT_DATA` if it is set, else `data/` in the project."""
    chosen = os.environ.get(ROOT_VARIABLE)
    return Path(chosen).expanduser() if chosen else project_root() / "data"


def folder_of(files: RawFiles) -> Path:
    """The folder of the raw files."""
    return root() / files.folder


def paths_of(dataset: DataSet) -> list[Path]:
    """Where the raw files of a data set are or will be; none where nothing is fetched."""
    return [folder_of(dataset.files) / name for name in dataset.files.sha256] if dataset.files else []


def missing(files: RawFiles, folder: Path) -> list[str]:
    """Names of the files that are not in `folder`."""
    return [name for name in files.sha256 if not (folder / name).is_file()]


def damaged(files: RawFiles, folder: Path) -> list[str]:
    """Names of the files in `folder` whose contents are not what they must be."""
    present = (name for name in files.sha256 if (folder / name).is_file())
    return [name for name in present if checksum(folder / name) != files.sha256[name]]


def is_whole(files: RawFiles, folder: Path) -> bool:
    """Whether all files are in `folder`, with the right contents."""
    return not missing(files, folder) and not damaged(files, folder)


def verify(dataset: DataSet, folder: Path) -> None:
    """Raise a `UserError` that names the files and the remedy unless all files are in `folder` and right."""
    assert dataset.files is not None
    remedy = f"run `deepcredit fetch {dataset.name}` or `make data`"
    if absent := missing(dataset.files, folder):
        raise UserError(f"{dataset.name}: no {', '.join(absent)} in {folder}; {remedy}")
    if wrong := damaged(dataset.files, folder):
        raise UserError(f"{dataset.name}: wrong SHA-256 of {', '.join(wrong)} in {folder}; {remedy}")
