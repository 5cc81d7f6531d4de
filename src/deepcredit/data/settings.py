"""The section of settings that says what is learned from; every kind of experiment on data derives its own from it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from deepcredit.core import located
from deepcredit.core.errors import check
from deepcredit.core.registry import check_choices, named
from deepcredit.data.datasets import CLASSES, DATASETS, Content, DataSet, Sizes
from deepcredit.data.samples import Chosen


@dataclass
class DataSettings:
    """A data set; for one that is a user's file, the file's `path`, from the project's root or whole.

    What is in the file is filled in as `content`, a `Content`: it is what tells cells apart, and the path is not. Who
    gives it accepts no other content.
    """

    dataset: str = named(DATASETS, "mnist")
    path: str | None = located.place()
    content: Any = located.content(of="path")

    def __post_init__(self) -> None:
        check_choices(self, "data.")
        self.content = None if self.content is None else _content(self.content)
        record = DATASETS[self.dataset]
        if record.is_own_file:
            self._measure(record)
        else:
            check(self.path is None, "data.path", self.path, f"null with data.dataset={record.name}")
            check(self.content is None, "data.content", self.content, "null without data.path")

    def _measure(self, record: DataSet) -> None:
        given = self.path is not None or self.content is not None
        check(given, "data.path", self.path, f"the path of a file, since data.dataset={record.name}")
        if self.path is not None:
            found = record.measured(located.path_of(self.path))
            same = self.content in (None, found)
            check(same, "data.content", self.content, f"what is in {self.path}, which is {found}; or null")
            self.content = found

    @property
    def chosen(self) -> Chosen:
        """What to read."""
        return Chosen(self.dataset, None if self.path is None else located.path_of(self.path), self.content)

    @property
    def sizes(self) -> Sizes:
        """How much there is of everything."""
        return self.chosen.sizes


def _content(given: Any) -> Content:
    """What a config says of a file's content, typed."""
    names = [f.name for f in fields(Content)]
    good = isinstance(given, Content) or (isinstance(given, Mapping) and set(given) == set(names))
    check(good, "data.content", given, f"null, or a mapping of {', '.join(names)}")
    return given if isinstance(given, Content) else Content(**given)


@dataclass
class ImageSettings(DataSettings):
    """A data set of images whose classes are told apart."""

    dataset: str = named(DATASETS, "mnist", need=CLASSES)
    batch_size: int = 64

    def check_batches(self, n_steps: int, key: str) -> None:
        """Raise a `UserError` unless an epoch has so many batches."""
        most = self.sizes.batches(self.batch_size)
        check(1 <= n_steps <= most, key, n_steps, f"1 to {most}, the batches of an epoch")

    def __post_init__(self) -> None:
        super().__post_init__()
        most = self.sizes.n_train
        fits = 1 <= self.batch_size <= most
        check(fits, "data.batch_size", self.batch_size, f"a whole number from 1 to {most}, the samples there are")
