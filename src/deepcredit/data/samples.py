"""Samples of a data set as arrays, read, checked and normalised. Imports no torch.

Shapes: `n` samples, `D` numbers each, `K` classes or targets.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepcredit.core import registry
from deepcredit.core.errors import UserError, check
from deepcredit.data import files
from deepcredit.data.datasets import DATASETS, Content, DataSet, Sizes

Inputs = NDArray[np.uint8] | NDArray[np.floating[Any]]


def _nothing() -> NDArray[Any]:
    return np.empty(0)


@dataclass(frozen=True)
class Arrays:
    """What a loader reads: inputs [n, D], as bytes or floats, and labels [n] in int64, from 0 on.

    `train_targets` [n, K] are targets of its own, where it has some; else those of classes are one-hot.
    """

    train_x: Inputs
    train_labels: NDArray[np.int64]
    test_x: Inputs = field(default_factory=_nothing)
    test_labels: NDArray[np.int64] = field(default_factory=_nothing)
    train_targets: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Chosen:
    """A data set, and the user's file where it is one: where it is (None: not known), and what must be in it."""

    dataset: str
    path: Path | None = None
    content: Content | None = None

    @property
    def record(self) -> DataSet:
        return DATASETS[self.dataset]

    @property
    def sizes(self) -> Sizes:
        """Of the file, or of the data set."""
        found = self.content or self.record.sizes
        assert found is not None
        return found


@dataclass(frozen=True)
class Samples:
    """A data set that was read; `normalisation` is the mean and standard deviation of its record."""

    arrays: Arrays
    n_classes: int
    normalisation: tuple[float, float] = (0.0, 1.0)

    def normalised(self, inputs: Inputs) -> NDArray[np.float32]:
        """`(scaled(inputs) − mean) / std` in float32."""
        mean, std = self.normalisation
        return (scaled(inputs) - np.float32(mean)) / np.float32(std)

    def one_hot(self, labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Targets of classes, [n, K]."""
        return np.eye(self.n_classes, dtype=np.float32)[labels]


def scaled(inputs: Inputs) -> NDArray[np.float32]:
    """Bytes as `inputs/255`, other numbers as they are; in float32, of any shape."""
    if inputs.dtype == np.uint8:
        return inputs.astype(np.float32) / np.float32(255)
    return inputs.astype(np.float32)


def load(chosen: Chosen) -> Samples:
    """Read a data set.

    Raises `UserError` where files are missing or are not what they must be, and where arrays are not of the sizes that
    the record says, or labels not of its classes.
    """
    record = chosen.record
    arrays: Arrays = registry.load(record.load)(_location(chosen))
    shapes = _shapes(arrays, chosen.sizes)
    if wrong := [f"{name} {found} (not {wanted})" for name, found, wanted in shapes if found != wanted]:
        raise UserError(f"data set {record.name!r}: {record.load} brought other sizes than said: {', '.join(wrong)}")
    _check_labels(record, arrays, chosen.sizes.n_classes)
    return Samples(arrays, chosen.sizes.n_classes, record.normalisation)


def _check_labels(record: DataSet, arrays: Arrays, n_classes: int) -> None:
    for labels in (arrays.train_labels, arrays.test_labels):
        if labels.size and not 0 <= labels.min() <= labels.max() < n_classes:
            found = f"labels from {labels.min()} to {labels.max()}"
            raise UserError(f"data set {record.name!r}: {record.load} brought {found}; allowed: 0 to {n_classes - 1}")


def _location(chosen: Chosen) -> Path | None:
    """Where the loader finds its files."""
    record = chosen.record
    if record.files is not None:
        folder = files.folder_of(record.files)
        files.verify(record, folder)
        return folder
    if record.is_own_file:
        check(chosen.path is not None, "data.path", None, f"the path of a file, with data.dataset={record.name}")
        assert chosen.path is not None
        same = record.measured(chosen.path) == chosen.content
        check(same, "data.path", str(chosen.path), "a file that is not changed meanwhile")
    return chosen.path


def _shapes(arrays: Arrays, sizes: Sizes) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Name, shape found and shape expected of every array."""
    wanted = {"train_x": (sizes.n_train, sizes.n_inputs), "train_labels": (sizes.n_train,)}
    if sizes.n_test:
        wanted |= {"test_x": (sizes.n_test, sizes.n_inputs), "test_labels": (sizes.n_test,)}
    return [(name, getattr(arrays, name).shape, shape) for name, shape in wanted.items()]
