"""Arrays and tables for a notebook: `deepcredit.load` and `deepcredit.table`. Imports no torch, computes nothing."""

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from deepcredit.core import paths
from deepcredit.core.errors import UserError, unknown
from deepcredit.plan.plan import Plan, plan
from deepcredit.plan.state import figure_files, is_file, rebuild, state
from deepcredit.store.store import read


@dataclass(frozen=True)
class Loaded:
    """The arrays of a cell, and what tells it from the others."""

    labels: dict[str, Any]
    arrays: xr.Dataset

    @property
    def axes(self) -> dict[str, Any]:
        """The labels that can be places along a dimension."""
        return {label: value for label, value in self.labels.items() if not isinstance(value, list)}

    @property
    def shape(self) -> dict[str, list[Any]]:
        """The coordinates along every dimension; a list for each."""
        return {str(dim): self.arrays[dim].values.tolist() for dim in self.arrays.dims}


def load(experiment: str, scale: str = "quick") -> xr.Dataset | xr.DataTree:
    """The arrays of an experiment at a scale, with the axes of its grid as dimensions.

    A `DataTree` where they do not fit into one `Dataset`, because shapes or members differ between cells, or the cells
    are no whole grid: a node for each part that is one, named by the settings that it has alone, e.g. `n_hidden=8`.

    Raises a `UserError` for an unknown experiment or scale, and, with the command that computes them, where arrays are
    missing.
    """
    planned = plan(scale)
    if experiment not in planned.cells:
        raise unknown("experiment", experiment, planned.cells)
    cells = planned.cells[experiment]
    missing = [cell for cell in cells if not is_file(cell.path)]
    if missing:
        command = _command(planned, experiment) or missing[0].command
        raise UserError(f"{len(missing)} of {len(cells)} arrays of {experiment} are missing; run `{command}`")
    parts = dict(_parts([Loaded(cell.labels, read(paths.root() / cell.path)) for cell in cells]))
    attributes = {"experiment": experiment, "kind": cells[0].kind, "scale": scale}
    combined = {name: _stacked(part, _axes(part, name)).assign_attrs(attributes) for name, part in parts.items()}
    return combined[""] if "" in combined else xr.DataTree.from_dict(combined)


def table(figure: str, scale: str = "quick") -> pd.DataFrame:
    """The values that a figure shows, one a row, as drawn at a scale; `attrs` says from what (`drawn_from`).

    Raises a `UserError` for an unknown figure or scale, and, with the command that draws it, where it is not drawn.
    Warns where it was drawn from other arrays, code or settings than are asked for now.
    """
    planned = plan(scale)
    found = planned.figure(figure)
    path = next(path for path in figure_files(scale, found.name) if path.suffix == ".csv")
    if not path.is_file():
        raise UserError(f"{found.id} is not drawn at scale {scale}; run `{rebuild(planned, found)}`")
    if state(planned, found) != "fresh":
        warnings.warn(f"{found.id} is not up to date at scale {scale}; run `{rebuild(planned, found)}`", stacklevel=2)
    whole = pd.read_csv(path, low_memory=False)
    values = whole.drop(columns="drawn_from")
    values.attrs["drawn_from"] = json.loads(whole["drawn_from"].iloc[0])
    return values


def _command(planned: Plan, experiment: str) -> str:
    """The command that builds the figure which reads the experiment and the least beside; empty where none does."""
    readers = [figure for figure in planned.figures.values() if experiment in figure.experiments.values()]
    least = min(readers, key=lambda figure: len(set(figure.experiments.values())), default=None)
    return rebuild(planned, least) if least else ""


# --- from cells to datasets ---------------------------------------------------------------------------------------


def _parts(cells: Sequence[Loaded], path: str = "") -> Iterator[tuple[str, list[Loaded]]]:
    """Name and cells of the parts that fit into one dataset each; one part without a name where all do."""
    if _fit(cells):
        yield path, list(cells)
        return
    for name, part in _divided(cells, _divisor(cells)).items():
        yield from _parts(part, f"{path}/{name}".removeprefix("/"))


def _divisor(cells: Sequence[Loaded]) -> str:
    """The label to divide cells by: one that leaves whole parts, or else the first; of those that all cells have."""
    known = dict.fromkeys(label for cell in cells for label in cell.labels)
    differing = [label for label in known if len(_values(cells, label)) > 1]
    shared = [label for label in differing if all(label in cell.labels for cell in cells)] or differing
    return next((label for label in shared if all(map(_fit, _divided(cells, label).values()))), shared[0])


def _divided(cells: Sequence[Loaded], label: str) -> dict[str, list[Loaded]]:
    """Cells by the value of a label as it is written in a node's name, which can hold no slash."""
    found: dict[str, list[Loaded]] = {}
    for cell in cells:
        value = str(cell.labels.get(label)).replace("/", "∕").replace(" ", "")
        found.setdefault(f"{label}={value}", []).append(cell)
    return found


def _fit(cells: Sequence[Loaded]) -> bool:
    """Whether cells are of one shape and fill a whole grid of their labels."""
    first = cells[0]
    alike = all(cell.shape == first.shape and list(cell.axes) == list(first.axes) for cell in cells)
    points = 1
    for label in first.axes:
        points *= len(_values(cells, label))
    return alike and points == len(cells)


def _values(cells: Sequence[Loaded], label: str) -> list[Any]:
    """Different values of a label, in the order of the cells; None for cells without it."""
    found: list[Any] = []
    for cell in cells:
        value = cell.labels.get(label)
        if value not in found:
            found.append(value)
    return found


def _axes(cells: Sequence[Loaded], path: str) -> list[str]:
    """Labels that become dimensions: those that the part's name does not say."""
    said = {step.partition("=")[0] for step in path.split("/")}
    return [label for label in cells[0].axes if label not in said]


def _stacked(cells: Sequence[Loaded], axes: Sequence[str]) -> xr.Dataset:
    """The arrays of cells that fit, along a new dimension for each of `axes`."""
    if not axes:
        return cells[0].arrays
    first, *others = axes
    values = _values(cells, first)
    parts = [_stacked([cell for cell in cells if cell.labels[first] == value], others) for value in values]
    along = xr.Variable(first, values)
    bare = [part.drop_vars(first) for part in parts]
    return xr.concat(
        bare, dim=along, data_vars="all", coords="minimal", compat="override", join="exact", combine_attrs="drop"
    )
