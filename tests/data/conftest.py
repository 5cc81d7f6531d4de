"""A data set of eight pixels that has a table of checksums like the real ones."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from deepcredit.data import files

IMAGES = np.array([[[0, 255], [1, 2]], [[3, 4], [5, 6]]], dtype=np.uint8)
LABELS = np.array([7, 9], dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in the IDX format, put together from its definition."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


@pytest.fixture(scope="session")
def contents() -> dict[str, bytes]:
    """The four files of the tiny data set, by name."""
    images, labels = idx(IMAGES), idx(LABELS)
    return {
        files.TRAIN_IMAGES: images,
        files.TRAIN_LABELS: labels,
        files.TEST_IMAGES: images,
        files.TEST_LABELS: labels,
    }


@pytest.fixture
def tiny(contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> files.Dataset:
    """The tiny data set, standing in for MNIST while the test runs."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    dataset = files.Dataset(name="mnist", folder="MNIST", sha256=sums)
    monkeypatch.setitem(files.DATASETS, "mnist", dataset)
    return dataset


@pytest.fixture
def write(contents: dict[str, bytes]):
    """Writes the tiny data set's files into a folder, and returns the folder."""

    def write(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return folder

    return write
