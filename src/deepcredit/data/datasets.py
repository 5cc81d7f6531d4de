"""What a data set is, and those there are. Imports no torch.

A data set is one file with a `RECORD`: here in `deepcredit.data.sets`, or in an installed package that names it under
the entry-point group `deepcredit.datasets`. Shapes: `n` samples, `D` numbers each (pixels in rows from top to bottom),
`K` classes or targets.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from deepcredit.core import registry
from deepcredit.core.errors import UserError
from deepcredit.core.registry import Record, Registry, module_of

#: what a setting can need of a data set: labels of classes to tell apart, and samples to test on
CLASSES = "classes"


@dataclass(frozen=True)
class Sizes:
    """How many samples to learn from and to test on, numbers in a sample, and classes."""

    n_train: int
    n_test: int
    n_inputs: int
    n_classes: int

    def batches(self, batch_size: int) -> int:
        """Batches in an epoch; an incomplete last one is dropped."""
        return self.n_train // batch_size


@dataclass(frozen=True)
class Content(Sizes):
    """What is in a user's file: its sizes, and its SHA-256."""

    sha256: str


class Source(Protocol):
    """A place that raw files come from, see `deepcredit.data.fetch`."""

    @property
    def label(self) -> str:
        """What messages call it."""

    def bring(self, files: "RawFiles", work: Path) -> Path:
        """Bring the files into the empty folder `work`; returns the folder they are in. Raises `SourceError`."""


@dataclass(frozen=True)
class RawFiles:
    """Files that are fetched before they are read: their folder below the folder of all data sets, the SHA-256 of each,
    and where they come from, in the order tried.
    """

    folder: str
    sha256: Mapping[str, str]
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DataSet(Record):
    """A data set by name.

    `load` is `module:function`, given the folder of the raw files, the path of the user's own file, or None where there
    is neither; it returns `deepcredit.data.samples.Arrays`. `sizes` says how much that is; where a user's file decides,
    `measure` (`module:function`) finds the file's `Content` and raises a `UserError` for a file that is no data set.
    """

    title: str
    load: str
    sizes: Sizes | None = None
    measure: str = ""
    files: RawFiles | None = None
    #: mean and standard deviation that inputs are normalised with; bytes are divided by 255 first
    normalisation: tuple[float, float] = (0.0, 1.0)
    #: whether its loader brings targets of its own, in the place of classes to tell apart
    own_targets: bool = False

    def __post_init__(self) -> None:
        if (self.sizes is None) == (not self.measure):
            raise UserError(f"data set {self.name!r}: give sizes, or measure for those of a user's file")

    def allows(self, need: str) -> bool:
        """Everything but telling apart `CLASSES` where there are none."""
        return need != CLASSES or not self.own_targets

    def code(self, need: str) -> tuple[str, ...]:  # noqa: ARG002 - it is read in one way
        """The module of its loader."""
        return (module_of(self.load),)

    def facts(self) -> Mapping[str, Any]:
        """Sizes, normalisation and the files' checksums; where the files come from changes no number."""
        sums = sorted(self.files.sha256.items()) if self.files else None
        return {"load": self.load, "sizes": self.sizes, "normalisation": self.normalisation, "files": sums}

    @property
    def is_own_file(self) -> bool:
        """Whether it is a user's file, at a path that the user gives."""
        return bool(self.measure)

    def measured(self, path: Path) -> Content:
        """What is in the user's file. Raises a `UserError` for one that is no data set."""
        measure: Callable[[Path], Content] = registry.load(self.measure)
        return measure(path)


def sizes_in(data: Mapping[str, Any]) -> Sizes:
    """Sizes of the data set that the `data` section of a cell's written settings names."""
    content = data.get("content")
    found = Content(**content) if content else DATASETS[data["dataset"]].sizes
    assert found is not None
    return found


DATASETS: Registry[DataSet] = Registry("data set", DataSet, package="deepcredit.data.sets", group="datasets")
