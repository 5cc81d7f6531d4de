"""Settings that say where a file is. What is in the file changes numbers, where it is does not.

So a section of settings has two fields: the place, which is given and in no cell's address, and the content, which
the section finds there and which is in the address. A moved file is the same cell, another content is another one.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from deepcredit.core import paths
from deepcredit.core.files import checksum

#: the two sides of a file in a field's metadata
SIDE, PLACE, CONTENT = "file", "place", "content"

#: digits of a checksum that tell files apart where people read them
DIGITS = 12


class Content(Protocol):
    """What is known of a file's content: at least its SHA-256."""

    sha256: str


def place() -> Any:
    """Dataclass field of a setting that says where a file is; None for no file."""
    return field(default=None, metadata={SIDE: PLACE})


def content(of: str) -> Any:
    """Dataclass field of what is in the file that the setting `of` places (`Content`); None for no file."""
    return field(default=None, metadata={SIDE: CONTENT, "of": of})


def path_of(place: str) -> Path:
    """The file at a place, which is whole or from the project's root."""
    return paths.root() / Path(place).expanduser()


def tree(config: Any, *, without: str) -> dict[str, Any]:
    """Nested dicts of a dataclass without the `PLACE` or the `CONTENT` of files."""
    found: dict[str, Any] = {}
    for f in dataclasses.fields(config):
        value, side = getattr(config, f.name), f.metadata.get(SIDE)
        if side != without and not (side == CONTENT and value is None):
            found[f.name] = tree(value, without=without) if dataclasses.is_dataclass(value) else value
    return found


@dataclasses.dataclass(frozen=True)
class Located:
    """A file that a setting names: the setting's key, where it is, and the SHA-256 of what is in it."""

    key: str
    place: str | None
    sha256: str | None

    @property
    def unchanged(self) -> bool:
        """Whether the file is there and holds what it held."""
        return self.place is None or (path_of(self.place).is_file() and checksum(path_of(self.place)) == self.sha256)

    @property
    def digits(self) -> str:
        """The first digits of its checksum; empty for no file."""
        return (self.sha256 or "")[:DIGITS]


def files(config: Any, prefix: str = "") -> Iterator[Located]:
    """Every setting of a dataclass that says where a file is, those of its sections included."""
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if f.metadata.get(SIDE) == CONTENT:
            of = f.metadata["of"]
            yield Located(f"{prefix}{of}", getattr(config, of), value.sha256 if value else None)
        elif dataclasses.is_dataclass(value):
            yield from files(value, f"{prefix}{f.name}.")
