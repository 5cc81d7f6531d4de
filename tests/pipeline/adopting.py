"""An earlier store with cells of a kind or two, for the tests of adopting."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from deepcredit.config.cells import Cell, single_cell
from deepcredit.config.compose import experiment_config
from deepcredit.config.schema import Trainer
from deepcredit.core import paths
from deepcredit.core.files import checksum
from deepcredit.jobs.adopt import Adoption, adopt
from deepcredit.jobs.compute import obtain
from deepcredit.plan.cost import Cost
from deepcredit.plan.plan import PlannedCell
from deepcredit.store import store
from deepcredit.store.address import address, path_of, provenance_path
from deepcredit.store.fingerprint import fingerprint
from deepcredit.store.renamed import Renames

#: of the earlier store, and of a still earlier one
CODE = {"earlier.module": {"function": "0123456789abcdef"}}
OTHER_CODE = {"earlier.module": {"function": "fedcba9876543210"}}

FACTS = {"finished": "2020-02-02T02:02:02+00:00", "seconds": 17.5, "device": "cpu", "threads": 1}

#: seconds that no sample has
AGES = 1e9

#: overrides → the cell that they describe and what the present code writes for it, from test to test
KNOWN: dict[tuple[str, ...], tuple[Cell, bytes]] = {}


@dataclass(frozen=True)
class Old:
    """What the earlier store says of an array; `bend` makes its arrays from those of the present code."""

    settings: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    code: dict[str, dict[str, str]] = field(default_factory=lambda: CODE)
    bend: Callable[[xr.Dataset], xr.Dataset] = lambda arrays: arrays


NOTHING = Renames()

INTERFERENCE = ("experiment=interference", "inference.n_steps=2", "optimizer.n_steps=2")


@dataclass(frozen=True)
class House:
    """A project whose plan and store the test fills, and beside it a store of earlier code."""

    earlier: Path
    wanted: list[PlannedCell]
    #: path in the store → what the present code writes there
    computed: dict[str, bytes]

    def want(self, *overrides: str, seconds: float = 0.01) -> PlannedCell:
        """A cell that is asked for, expected to compute for `seconds`; what it computes is remembered, not kept."""
        if overrides not in KNOWN:
            KNOWN[overrides] = _computed(overrides)
        cell, content = KNOWN[overrides]
        path = paths.relative(path_of(cell))
        self.computed[path] = content
        self.wanted.append(PlannedCell(cell.config, cell.labels, cell.overrides, path, Cost(core_seconds=seconds), ()))
        return self.wanted[-1]

    def keep(self, cell: PlannedCell, old: Old | None = None) -> Path:
        """Put what `cell` computes into the earlier store, as `old` says; returns the file."""
        old = old or Old()
        settings = cell.settings if old.settings is None else old.settings
        name = address(cell.experiment, cell.name, settings, fingerprint(old.code)).name
        path = self.earlier / cell.experiment / name
        path.parent.mkdir(parents=True, exist_ok=True)
        now = paths.root() / "now.nc"
        now.write_bytes(self.computed[cell.path])
        arrays = old.bend(xr.load_dataset(now, engine="h5netcdf").drop_encoding())
        arrays.attrs |= {"settings": json.dumps(settings, sort_keys=True), "code": fingerprint(old.code)}
        path.write_bytes(arrays.to_netcdf(engine="h5netcdf"))
        record = {
            **{"file": name, "sha256": checksum(path), "experiment": cell.experiment, "labels": cell.labels},
            **{"settings": settings, "code": old.code, **store.surroundings(), **FACTS, **old.facts},
        }
        provenance_path(path).write_text(json.dumps(record), encoding="utf-8")
        return path

    def adopt(self, seed: int = 0, renames: Renames = NOTHING, minutes: float = 10.0) -> Adoption:
        return adopt(self.earlier, "ci", minutes, seed, renames=renames, say=lambda line: None)

    def there(self, *cells: PlannedCell) -> list[bool]:
        return [(paths.root() / cell.path).is_file() for cell in cells]

    def record(self, cell: PlannedCell) -> dict[str, Any]:
        return json.loads(provenance_path(paths.root() / cell.path).read_text(encoding="utf-8"))


def _computed(overrides: tuple[str, ...]) -> tuple[Cell, bytes]:
    cell = single_cell(experiment_config([*overrides, "scale=paper"]))
    path = obtain(cell, Trainer(progress=False))
    content = path.read_bytes()
    path.unlink()
    provenance_path(path).unlink()
    return cell, content


def one_kind(house: House, count: int = 4, seconds: float = 0.01) -> list[PlannedCell]:
    """Cells of one kind and one combination."""
    rates = [f"optimizer.lr={0.1 * number:.1f}" for number in range(1, count + 1)]
    return [house.want(*INTERFERENCE, rate, seconds=seconds) for rate in rates]


def another_kind(house: House, act_fn: str, count: int = 3, seconds: float = 0.01) -> list[PlannedCell]:
    """Cells of another kind; those of another activation function are another combination."""
    words = ("experiment=target_alignment_depth", "model.width=4", f"model.act_fn=[{act_fn}]", "seed=[1,2]")
    return [house.want(*words, f"model.num_layers={number}", seconds=seconds) for number in range(2, count + 2)]


def flipped(name: str) -> Callable[[xr.Dataset], xr.Dataset]:
    """A change of the last bit of the first value of a variable."""

    def bend(arrays: xr.Dataset) -> xr.Dataset:
        values = arrays[name].values.copy()
        values.view(f"u{values.itemsize}").flat[0] ^= 1
        return arrays.assign({name: (arrays[name].dims, values)})

    return bend
