"""What is not adopted: differences, arrays without evidence, of another processor, damaged; and how that is said.

Expectations: what the test planted in the earlier store (a bit, a name, a processor, damage).
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from deepcredit import cli
from deepcredit.ask.verify import verify
from deepcredit.config.schema import Trainer
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.jobs import adopt as job
from deepcredit.jobs.adopt import Row, adopt
from deepcredit.jobs.compute import obtain
from deepcredit.store.address import provenance_path
from deepcredit.store.adopt import differences, store_folder
from deepcredit.store.processor import described
from tests.pipeline.adopting import (
    AGES,
    INTERFERENCE,
    OTHER_CODE,
    House,
    Old,
    another_kind,
    flipped,
    one_kind,
)


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
