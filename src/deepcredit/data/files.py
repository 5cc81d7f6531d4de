"""The image data sets' files: what they are called, where they lie, and what must be in them. Imports no torch.

The layout is torchvision's: `<root>/<folder>/raw/<file>`, with the raw IDX files unpacked.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from deepcredit.core.errors import UserError, unknown
from deepcredit.core.files import checksum

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

#: environment variable that names the folder of all data sets
ROOT_VARIABLE = "DEEPCREDIT_DATA"


@dataclass(frozen=True)
class Dataset:
    """One data set: its name here, its folder (torchvision's class name), and the SHA-256 of each of its files."""

    name: str
    folder: str
    sha256: dict[str, str]


DATASETS = {
    "mnist": Dataset(
        name="mnist",
        folder="MNIST",
        sha256={
            TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion_mnist": Dataset(
        name="fashion_mnist",
        folder="FashionMNIST",
        sha256={
            TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
}


def lookup(name: str) -> Dataset:
    """The data set of that name. Raises `UserError` for any other."""
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS)
    return DATASETS[name]


def project_root() -> Path:
    """Folder of the project: where pyproject.toml lies above this file, else the current folder."""
    above = Path(__file__).resolve().parents[3]
    return above if (above / "pyproject.toml").is_file() else Path.cwd()


def root() -> Path:
    """Folder of all data sets: `$DEEPCREDIT_DATA` if it is set, else `data/` in the project."""
    chosen = os.environ.get(ROOT_VARIABLE)
    return Path(chosen).expanduser() if chosen else project_root() / "data"


def raw_folder(dataset: Dataset, data_root: Path) -> Path:
    """Folder of the data set's raw files below `data_root`."""
    return data_root / dataset.folder / "raw"


def missing(dataset: Dataset, folder: Path) -> list[str]:
    """Names of the data set's files that are not in `folder`."""
    return [name for name in dataset.sha256 if not (folder / name).is_file()]


def damaged(dataset: Dataset, folder: Path) -> list[str]:
    """Names of the data set's files in `folder` whose contents are not what they must be."""
    present = (name for name in dataset.sha256 if (folder / name).is_file())
    return [name for name in present if checksum(folder / name) != dataset.sha256[name]]


def is_whole(dataset: Dataset, folder: Path) -> bool:
    """Whether all files of the data set are in `folder`, with the right contents."""
    return not missing(dataset, folder) and not damaged(dataset, folder)


def verify(dataset: Dataset, folder: Path) -> None:
    """Raise a `UserError` that names the files and the remedy unless all files are in `folder` and right."""
    remedy = f"run `deepcredit fetch {dataset.name}` or `make data`"
    if absent := missing(dataset, folder):
        raise UserError(f"{dataset.name}: no {', '.join(absent)} in {folder}; {remedy}")
    if wrong := damaged(dataset, folder):
        raise UserError(f"{dataset.name}: wrong SHA-256 of {', '.join(wrong)} in {folder}; {remedy}")
