"""A data set of eight pixels that has a table of checksums like the real ones."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepcredit.data import idx
from deepcredit.data.datasets import DATASETS, DataSet, RawFiles, Sizes, Source

IMAGES = np.array([[[0, 255], [1, 2]], [[3, 4], [5, 6]]], dtype=np.uint8)
LABELS = np.array([7, 9], dtype=np.uint8)


def as_idx(array: np.ndarray) -> bytes:
    """An array of bytes in the IDX format, put together from its definition."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


@pytest.fixture(scope="session")
def contents() -> dict[str, bytes]:
    """The four files of the tiny data set, by name."""
    images, labels = as_idx(IMAGES), as_idx(LABELS)
    return {
        idx.TRAIN_IMAGES: images,
        idx.TRAIN_LABELS: labels,
        idx.TEST_IMAGES: images,
        idx.TEST_LABELS: labels,
    }


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[DataSet], DataSet]:
    """Puts a record in the place of the one of its name while the test runs."""

    def stand_in(record: DataSet) -> DataSet:
        monkeypatch.setitem(DATASETS._all, record.name, replace(DATASETS.found(record.name), record=record))
        return record

    return stand_in


@pytest.fixture
def tiny(contents: dict[str, bytes], stand_in) -> DataSet:
    """The tiny data set, standing in for MNIST while the test runs."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    sizes = Sizes(n_train=2, n_test=2, n_inputs=4, n_classes=10)
    return stand_in(replace(DATASETS["mnist"], sizes=sizes, files=RawFiles("MNIST/raw", sums)))


@pytest.fixture
def sources(tiny: DataSet, stand_in) -> Callable[..., DataSet]:
    """Sets the sources of the tiny data set."""
    files = tiny.files
    assert files is not None

    def sources(*chosen: Source) -> DataSet:
        return stand_in(replace(tiny, files=replace(files, sources=chosen)))

    return sources


@pytest.fixture
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of all data sets."""
    monkeypatch.setenv("DEEPCREDIT_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def write(contents: dict[str, bytes]):
    """Writes the tiny data set's files into a folder, and returns the folder."""

    def write(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return folder

    return write
