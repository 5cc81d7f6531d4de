"""Arrays that no figure reads any more: of earlier settings, of earlier code, or computed by hand."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deepcredit.core import paths
from deepcredit.plan.plan import Plan
from deepcredit.store.address import provenance_path


@dataclass(frozen=True)
class Unread:
    """Files of one cell, its array or its provenance or both, and their size in bytes."""

    files: tuple[Path, ...]
    size: int


def unread(plans: Iterable[Plan]) -> list[Unread]:
    """What the store holds of cells that no figure of the plans reads, sorted by name."""
    read = {path for plan in plans for figure in plan.figures.values() for path in plan.arrays(figure)}
    stems = {path.with_suffix(".nc") for pattern in ("nc", "json") for path in paths.store().glob(f"*/[!.]*.{pattern}")}
    return [_unread(stem) for stem in sorted(stems) if paths.relative(stem) not in read]


def _unread(array: Path) -> Unread:
    files = tuple(path for path in (array, provenance_path(array)) if path.is_file())
    return Unread(files, sum(path.stat().st_size for path in files))


def remove(found: Iterable[Unread]) -> None:
    """Delete the files, and the folders that are empty then."""
    for cell in found:
        for path in cell.files:
            path.unlink(missing_ok=True)
        folder = cell.files[0].parent
        if not any(folder.iterdir()):
            folder.rmdir()
