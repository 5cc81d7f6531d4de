"""One run of `deepcredit run`: from a composed config to a cell, computed or taken from the store, and shown.

A run is a cell of its experiment with settings of the user's choice; the experiment's grid is left aside. The arrays go
into the store under the name that the pipeline would give them, a table, a picture and the settings into
`results/runs/<name>`.
"""

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import matplotlib.style
import xarray as xr
from omegaconf import DictConfig, OmegaConf

from deepcredit.config.cells import Cell, cells_of, single_cell
from deepcredit.config.schema import Trainer
from deepcredit.config.trees import instantiate, tree_of
from deepcredit.config.typed import OBJECTIVE, typed_config
from deepcredit.core import paths
from deepcredit.core.files import write_bytes
from deepcredit.figures.style import STYLE_SHEET
from deepcredit.jobs.compute import obtain
from deepcredit.jobs.objective import measured, objective_of
from deepcredit.jobs.overview import ROWS, picture, table
from deepcredit.store import store
from deepcredit.store.address import path_of


@dataclass(frozen=True)
class Run:
    """What is to be computed, how, and the array whose last values are the run's number."""

    cell: Cell
    trainer: Trainer
    objective: str | None

    @property
    def folder(self) -> Path:
        """Where its table, its picture and its settings are."""
        return paths.runs() / f"{self.cell.experiment}-{path_of(self.cell).stem}"


def described(config: DictConfig, optimised: bool = False) -> Run:
    """The run that a config composed from `conf/run.yaml` describes; validated. `optimised`: it must have a number.

    Raises a `UserError` for a faulty setting, and what OmegaConf does for a value of a wrong type.
    """
    typed = typed_config(config)
    cell = _as_planned(single_cell(typed), typed.scale)
    objective = objective_of(cell.config, config.get(OBJECTIVE), optimised)
    return Run(cell, instantiate(Trainer, tree_of(typed.trainer)), objective)


def perform(run: Run) -> float | None:
    """Compute a run unless the store has it, show it, and return its number."""
    array = path_of(run.cell)
    words = [run.cell.experiment, *(f"{label} {value}" for label, value in run.cell.labels.items())]
    print(f"{', '.join(words)}: {'from the store' if array.is_file() else 'computing'}", flush=True)
    dataset = store.read(obtain(run.cell, run.trainer))
    number = measured(dataset, run.objective) if run.objective else None
    _present(dataset, run, array)
    if number is not None:
        print(f"\n{run.objective} {number:.6g}")
    sys.stdout.flush()
    return number


def _present(dataset: xr.Dataset, run: Run, array: Path) -> None:
    """Write the table, the picture and the settings of a run, and print the table and where its files are."""
    rows = table(dataset)
    files = {
        "settings.yaml": OmegaConf.to_yaml(OmegaConf.create(run.cell.settings)).encode(),
        "table.csv": rows.to_csv(index=False, lineterminator="\n").encode(),
        "picture.png": _drawn(dataset),
    }
    for name, content in files.items():
        write_bytes(run.folder / name, content)
    print(f"\n{rows.head(ROWS).to_string(index=False)}")
    if len(rows) > ROWS:
        print(f"… and {len(rows) - ROWS} more rows in table.csv")
    print(f"\narrays   {paths.relative(array)}")
    for name in files:
        print(f"{name.partition('.')[0]:8} {paths.relative(run.folder / name)}")


def _drawn(dataset: xr.Dataset) -> bytes:
    matplotlib.use("Agg")
    drawn = io.BytesIO()
    with matplotlib.style.context(STYLE_SHEET):
        picture(dataset).savefig(drawn, format="png", metadata={"Software": "deepcredit"})
    return drawn.getvalue()


def _as_planned(cell: Cell, scale: str) -> Cell:
    """The cell of the pipeline that says the same as `cell`, if there is one: 1 for 1.0, or a number for a list."""
    for name in dict.fromkeys((scale, "paper")):
        for planned in cells_of(cell.experiment, name):
            if planned.config == cell.config:
                return planned
    return cell
