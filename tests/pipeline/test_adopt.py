"""Arrays of earlier code are taken over on evidence, bit by bit, and not without it.

Expectations: an adopted array is what the present code computes, byte for byte; what the test planted in the earlier
store (a bit, a name, a processor, damage) is what is refused and named.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from deepcredit import cli
from deepcredit.ask.verify import verify
from deepcredit.config.cells import Cell, single_cell
from deepcredit.config.compose import experiment_config
from deepcredit.config.schema import Trainer
from deepcredit.config.trees import leaves, set_leaf
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.core.files import checksum
from deepcredit.jobs import adopt as job
from deepcredit.jobs.adopt import Adoption, Row, adopt
from deepcredit.jobs.compute import obtain
from deepcredit.plan.cost import Cost
from deepcredit.plan.plan import Plan, PlannedCell
from deepcredit.store import store
from deepcredit.store.address import address, path_of, provenance_path
from deepcredit.store.adopt import differences, store_folder
from deepcredit.store.fingerprint import fingerprint
from deepcredit.store.processor import described
from deepcredit.store.renamed import RENAMES, Rename, Renames

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


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What planning and measuring the machine leave, kept from test to test."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def house(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    root = tmp_path / "project"
    (root / "results").mkdir(parents=True)
    (root / "conf").symlink_to(paths.conf())
    (root / "results" / "cache").symlink_to(cache)
    monkeypatch.setattr(paths, "root", lambda: root)
    found = House(tmp_path / "earlier" / "results" / "store", [], {})
    monkeypatch.setattr(job, "plan", lambda scale: Plan(scale, {"all": tuple(found.wanted)}, {}))
    return found


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


# --- what is adopted ----------------------------------------------------------------------------------------------


def test_adopted_arrays_are_those_that_the_present_code_computes_byte_for_byte_and_verify_accepts_them(
    house: House,
) -> None:
    cells = [*one_kind(house), *another_kind(house, "tanh")]
    for cell in cells:
        house.keep(cell)
    found = house.adopt()
    assert found.rows == [Row("interference", 2, 2, 2, 0), Row("target_alignment", 2, 2, 1, 0)]
    assert found.differing == found.notes == []
    assert {cell.path: (paths.root() / cell.path).read_bytes() for cell in cells} == house.computed
    checked = verify()
    assert (checked.arrays, checked.earlier, checked.damaged) == (7, 0, ())


def test_provenance_says_what_was_adopted_from_where_and_on_what_evidence(house: House) -> None:
    cells = one_kind(house)
    files = {cell.path: house.keep(cell) for cell in cells}
    house.adopt(seed=3)
    taken = [cell for cell in cells if "adopted" in house.record(cell)]
    sampled = [cell for cell in cells if cell not in taken]
    assert (len(taken), len(sampled)) == (2, 2)
    record = house.record(taken[0])
    adopted, source = record["adopted"], files[taken[0].path]
    assert adopted["from"] == f"interference/{source.name}"
    assert (adopted["store"], adopted["sha256"]) == (str(house.earlier), checksum(source))
    assert adopted["evidence"]["sampled"] == {c.path: f"interference/{files[c.path].name}" for c in sampled}
    assert adopted["evidence"]["seed"] == 3
    assert adopted["evidence"]["versions"] == house.record(sampled[0])["versions"]
    assert adopted["evidence"]["date"] > record["finished"]
    assert {key: record[key] for key in FACTS} == FACTS


def test_the_seed_chooses_the_sample(house: House) -> None:
    cells = one_kind(house)
    for cell in cells:
        house.keep(cell)
    samples = set()
    for seed in range(4):
        house.adopt(seed=seed)
        samples.add(tuple("adopted" not in house.record(cell) for cell in cells))
        for cell in cells:
            (paths.root() / cell.path).unlink()
    assert len(samples) > 1
    assert {sum(sample) for sample in samples} == {2}


def test_where_everything_is_there_nothing_is_computed(house: House) -> None:
    cells = one_kind(house)
    for cell in cells:
        house.keep(cell)
    house.adopt()
    assert house.adopt() == Adoption(notes=["every array of scale ci is here"])


def test_an_adopted_array_can_be_adopted_again_and_keeps_what_was_said_of_it(house: House) -> None:
    cells = one_kind(house, 3)
    for cell in cells:
        house.keep(cell, Old(facts={"adopted": {"from": "before/all.nc"}}))
    house.adopt()
    assert [house.record(c)["adopted"]["before"] for c in cells if "adopted" in house.record(c)] == [
        {"from": "before/all.nc"}
    ]


# --- what has another name ----------------------------------------------------------------------------------------

INVENTED = Renames(
    settings=(
        Rename("network.depth", "model.num_layers"),
        Rename("model.act_fn", "model.act_fn", {"TANH": "tanh"}),
        Rename("model.gone", "", where={"model.gone": 0}),
    ),
    coordinates=(Rename("phi", "act_fn", {"TANH": "tanh"}), Rename("extra", "")),
)


def in_old_words(cell: PlannedCell) -> Old:
    """A cell as an earlier version with other names for the same would have written it."""
    settings: dict[str, Any] = {}
    for key, value in leaves(cell.settings):
        if key != "data.batch_size":  # a setting that came later, and stands at its default
            name = "network.depth" if key == "model.num_layers" else key
            set_leaf(settings, name, ["TANH"] if key == "model.act_fn" else value)
    set_leaf(settings, "model.gone", 0)

    def bend(arrays: xr.Dataset) -> xr.Dataset:
        return arrays.rename(act_fn="phi").assign_coords(phi=["TANH"], extra=1.0)

    return Old(settings, bend=bend)


def test_arrays_under_other_names_are_found_and_renamed(house: House) -> None:
    cells = another_kind(house, "tanh")
    for cell in cells:
        house.keep(cell, in_old_words(cell))
    found = house.adopt(renames=INVENTED)
    assert found.rows == [Row("target_alignment", 2, 2, 1, 0)]
    (taken,) = [cell for cell in cells if "adopted" in house.record(cell)]
    adopted = store.read(paths.root() / taken.path)
    (paths.root() / taken.path).unlink()
    now = store.read(obtain(taken, Trainer(progress=False)))
    assert differences(adopted, now) == []
    assert adopted.attrs == now.attrs
    assert verify().damaged == ()


def test_without_an_entry_in_the_table_the_settings_are_others(house: House) -> None:
    for cell in another_kind(house, "tanh"):
        house.keep(cell, in_old_words(cell))
    with pytest.raises(UserError, match=r"3 arrays are refused: there is none of the same settings in .*store$"):
        house.adopt()


def test_a_coordinate_under_another_name_without_an_entry_is_a_difference(house: House) -> None:
    for cell in another_kind(house, "tanh"):
        house.keep(cell, in_old_words(cell))
    found = house.adopt(renames=Renames(settings=INVENTED.settings))
    assert [(row.equal, row.adopted, row.left) for row in found.rows] == [(0, 0, 1)]
    assert "act_fn is new; extra is gone; phi is gone" in found.differing[0]


def test_a_setting_that_is_missing_and_not_at_its_default_is_another_cell(house: House) -> None:
    cell = house.want("experiment=interference", "inference.n_steps=3")
    settings = {**cell.settings, "inference": {"lr": cell.settings["inference"]["lr"]}}
    house.keep(cell, Old(settings))
    with pytest.raises(UserError, match="1 array is refused: there is none of the same settings"):
        house.adopt()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"rule": {"name": ["PC", "BP"]}}, {"rule": ["pc", "bp"]}),
        ({"rule": "pc"}, {"rule": "pc"}),
        (
            {"rule": {"rule": "TP", "target_lr": 1.0, "inverse_lr": 0.5}},
            {"rule": "tp", "rule_options": {"target_lr": 1.0, "inverse_lr": 0.5}},
        ),
        ({"rule": {"rule": "BP", "target_lr": 0.0, "inverse_lr": 0.0}}, {"rule": "bp"}),
        ({"rule": {"updated": ["both"]}, "optimizer": {"lr": 0.1}}, {"optimizer": {"updated": ["both"], "lr": 0.1}}),
    ],
)
def test_the_table_holds_what_was_renamed(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert RENAMES.of_settings(before) == after
    assert RENAMES.of_settings(after) == after


# --- what is not adopted ------------------------------------------------------------------------------------------


def test_one_unequal_bit_and_nothing_of_that_kind_is_adopted(house: House) -> None:
    whole, bent, others = one_kind(house), another_kind(house, "tanh", 2), another_kind(house, "linear")
    for cell in [*whole, *others]:
        house.keep(cell)
    files = [house.keep(bent[0]), house.keep(bent[1], Old(bend=flipped("target_alignment")))]
    found = house.adopt()
    assert found.rows == [Row("interference", 2, 2, 2, 0), Row("target_alignment", 4, 3, 0, 1)]
    (line,) = found.differing
    assert line.startswith(f"{bent[1].path} is not equal to target_alignment_depth/{files[1].name}: ")
    assert line.endswith("target_alignment differs at 1 of 4 values, by up to 1.11e-16")
    assert house.there(*others).count(False) == 1
    assert all(house.there(*whole))


def test_the_command_names_what_differs_and_ends_with_the_table(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ("experiment=feature_speed_layers", "model.width=4", "seed=[1]")
    cells = [house.want(*sizes, f"model.num_layers={number}") for number in (5, 6, 7)]
    for cell in cells:
        house.keep(cell)
    assert cli.main(["adopt", str(house.earlier), "--scale", "ci", "--seed", "1"]) == 0
    out, progress = capsys.readouterr()
    assert out.splitlines()[-1].split() == ["all", "2", "2", "1", "0"]
    assert len(progress.splitlines()) == 2
    for cell in cells:
        (paths.root() / cell.path).unlink()
        house.keep(cell, Old(bend=flipped("speed")))
    assert cli.main(["adopt", str(house.earlier), "--scale", "ci"]) == 1
    out = capsys.readouterr().out
    assert out.count("speed differs at 1 of ") == 2
    assert out.splitlines()[-1].split() == ["all", "2", "0", "0", "1"]


def test_an_unequal_bit_is_remembered_by_the_array_that_was_computed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another try, with another seed, draws no cell that happens to be equal instead."""
    cells = one_kind(house)
    bent = Old(bend=flipped("prediction"))
    for cell in cells:
        house.keep(cell, bent)
    first = house.adopt()
    for cell in cells:
        if not house.there(cell)[0]:
            house.keep(cell)
    monkeypatch.setattr(job, "obtain", lambda *_: pytest.fail("nothing is to be computed"))
    assert house.adopt(seed=1).differing == first.differing
    assert house.there(*cells).count(False) == 2


def test_an_adopted_array_is_no_evidence(house: House) -> None:
    cells = one_kind(house, 3)
    for cell in cells:
        house.keep(cell)
    house.adopt()
    late = house.want(*INTERFERENCE, "optimizer.lr=0.9", seconds=AGES)
    house.keep(late)
    house.wanted[:] = [late, *(cell for cell in cells if "adopted" in house.record(cell))]
    assert house.adopt().rows == [Row("interference", 0, 0, 0, 1)]
    assert house.there(late) == [False]


def test_a_combination_of_which_nothing_was_computed_in_time_is_left(house: House) -> None:
    quick, slow = another_kind(house, "tanh"), another_kind(house, "linear", seconds=AGES)
    for cell in [*quick, *slow]:
        house.keep(cell)
    found = house.adopt(minutes=2)
    assert house.there(*quick, *slow) == [True, True, True, False, False, False]
    assert found.rows == [Row("target_alignment", 2, 2, 1, 3)]
    (note,) = found.notes
    assert note.startswith("none of target_alignment (")
    assert "act_fn linear" in note
    assert note.endswith("was computed again within 2 minutes, so 3 arrays are left")


def test_evidence_for_one_earlier_code_is_none_for_another(house: House) -> None:
    newer, older = one_kind(house, 3), [house.want(*INTERFERENCE, "optimizer.lr=0.9", seconds=AGES)]
    for cell in newer:
        house.keep(cell)
    house.keep(older[0], Old(code=OTHER_CODE))
    assert house.adopt().rows == [Row("interference", 2, 2, 1, 1)]
    assert house.there(*older) == [False]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (
            {"processor": "Some Processor, avx2"},
            r"computed on another processor \(Some Processor, avx2\), and this is ",
        ),
        ({"device": "NVIDIA H100"}, r"computed on another device \(NVIDIA H100\), which is not here"),
        ({"machine": "Linux aarch64"}, "computed on Linux aarch64, and this is "),
    ],
)
def test_arrays_of_another_processor_or_device_are_refused_in_one_line(
    house: House, capsys: pytest.CaptureFixture[str], facts: dict[str, str], why: str
) -> None:
    cells = one_kind(house)
    for cell in cells:
        house.keep(cell, Old(facts=facts))
    with pytest.raises(UserError, match=f"nothing can be adopted; 4 arrays are refused: {why}"):
        house.adopt()
    assert cli.main(["adopt", str(house.earlier)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not any(house.there(*cells))


def test_arrays_of_this_processor_are_adopted_beside_those_that_are_refused(house: House) -> None:
    cells = one_kind(house)
    for cell in cells[:3]:
        house.keep(cell)
    house.keep(cells[3], Old(facts={"processor": "Some Processor, avx2"}))
    found = house.adopt()
    assert house.there(*cells) == [True, True, True, False]
    assert [note.partition(":")[0] for note in found.notes] == ["1 array is refused"]


def test_a_damaged_array_is_left(house: House) -> None:
    cells = one_kind(house)
    for cell in cells[:3]:
        house.keep(cell)
    path = house.keep(cells[3])
    path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
    found = house.adopt()
    assert house.there(*cells) == [True, True, True, False]
    assert found.notes == ["1 array is refused: its SHA-256 is not the one that was recorded when it was written"]


def test_an_array_of_the_present_code_is_no_earlier_one(house: House) -> None:
    """In one store with the earlier arrays, a cell is not compared with itself."""
    cells = one_kind(house, 3)
    for cell in cells:
        house.keep(cell)
    obtain(cells[0], Trainer(progress=False))
    path = paths.root() / cells[0].path
    for file in (path, provenance_path(path)):
        (house.earlier / "interference" / file.name).write_bytes(file.read_bytes())
    house.adopt()
    samples = [house.record(c)["adopted"]["evidence"]["sampled"] for c in cells if "adopted" in house.record(c)]
    assert len(samples) == 1
    assert path.name not in str(list(samples[0].values()))


def test_what_is_interrupted_is_whole_or_not_there_and_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = one_kind(house, 6)
    for cell in cells:
        house.keep(cell)
    replace, moved = os.replace, []

    def stopped(source: Path, target: Path) -> None:
        moved.extend([target] if str(target).endswith(".nc") else [])
        if len(moved) == 4:  # two of the sample, one adopted, and one whose provenance is written
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            house.adopt()
    assert house.there(*cells).count(True) == 3
    assert verify().damaged == ()
    assert house.adopt(seed=5).rows == [Row("interference", 2, 2, 3, 0)]
    assert {cell.path: (paths.root() / cell.path).read_bytes() for cell in cells} == house.computed


def test_a_cell_that_cannot_be_computed_again_is_named_and_no_evidence(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise UserError("no data")

    for cell in one_kind(house):
        house.keep(cell)
    monkeypatch.setattr(job, "obtain", refuse)
    found = house.adopt()
    assert found.notes[0] == "interference cannot be computed again: no data"
    assert found.rows == [Row("interference", 0, 0, 0, 4)]


# --- the parts ----------------------------------------------------------------------------------------------------


def test_a_store_is_found_from_the_folders_around_it(tmp_path: Path) -> None:
    array = tmp_path / "results" / "store" / "experiment" / "all-0.nc"
    array.parent.mkdir(parents=True)
    array.touch()
    (tmp_path / "results" / "quick").mkdir()
    around = [tmp_path, tmp_path / "results", tmp_path / "results" / "store", tmp_path / "results" / "quick"]
    assert {store_folder(folder) for folder in around} == {tmp_path / "results" / "store"}
    with pytest.raises(UserError, match="no arrays in"):
        store_folder(tmp_path / "elsewhere" / "deep")


def dataset(values: Any, **coordinates: Any) -> xr.Dataset:
    return xr.Dataset({"x": ("place", np.array(values))}, coords=coordinates)


ODD_NAN = (np.array([np.nan]).view(np.uint64) + 1).view(np.float64)[0]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (dataset([1.0, np.nan]), dataset([1.0, np.nan]), []),
        (dataset([np.nan]), dataset([ODD_NAN]), ["x differs at 1 of 1 values, where one is not finite"]),
        (dataset([0.0]), dataset([-0.0]), ["x differs at 1 of 1 values, by up to 0"]),
        (dataset([1.0, 2.0, 4.0]), dataset([1.0, 2.5, 3.0]), ["x differs at 2 of 3 values, by up to 1"]),
        (dataset([1.0]), dataset(np.float32([1.0])), ["x is float32, and was float64"]),
        (dataset([1, 2]), dataset([1, 2, 3]), ["x has dimensions {'place': 3}, and had {'place': 2}"]),
        (dataset(["a", "b"]), dataset(["a", "c"]), ["x differs at 1 of 2 values: c, and was b"]),
        (dataset([1.0], place=[3]), dataset([1.0], place=[4]), ["place differs at 1 of 1 values, by up to 1"]),
        (dataset([1.0], place=[3]), dataset([1.0]), ["place is gone"]),
        (dataset([1.0], s=2), dataset([1.0], s=2).reset_coords("s"), ["s is no coordinate now"]),
    ],
)
def test_datasets_are_compared_bit_by_bit(old: xr.Dataset, new: xr.Dataset, found: list[str]) -> None:
    assert differences(old, new) == found


def test_a_processor_is_told_by_its_name_its_numbers_and_its_widest_vectors() -> None:
    one = "processor : 0\ncpu family : 25\nmodel : 1\nmodel name : AMD EPYC\nflags : fpu sse avx avx2\n"
    assert described(f"{one}\n\n{one}") == "AMD EPYC, family 25, model 1, avx2"
    assert described(one.replace("avx2", "avx2 avx512f")) == "AMD EPYC, family 25, model 1, avx512f"
    assert described("CPU part : 0xd0c\nFeatures : fp asimd\n") == "0xd0c, asimd"


def test_minutes_that_are_no_time_are_refused() -> None:
    with pytest.raises(UserError, match="--minutes=0 is not valid; allowed: a positive number"):
        adopt(Path("anywhere"), "ci", 0)
