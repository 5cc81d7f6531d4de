"""Where a cell's arrays are: a name made of what the cell is and of everything that its content depends on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepcredit.config.cells import Cell
from deepcredit.core import paths
from deepcredit.store.fingerprint import code_of_cell, digest, fingerprint


def address(experiment: str, name: str, settings: Mapping[str, Any], code: str) -> Path:
    """Path in the store of the cell `name` with these resolved settings, computed by code with this fingerprint."""
    content = json.dumps([settings, code], sort_keys=True, ensure_ascii=False)
    return paths.store() / experiment / f"{name}-{digest(content)[:12]}.nc"


def provenance_path(path: Path) -> Path:
    """The provenance file that belongs to an array file."""
    return path.with_suffix(".json")


def path_of(cell: Cell) -> Path:
    """Where the arrays of `cell` are under the present code."""
    return address(cell.experiment, cell.name, cell.settings, fingerprint(code_of_cell(cell.config)))
