"""Arrays of earlier code are taken over on evidence, bit by bit, and not without it.

Expectations: an adopted array is what the present code computes, byte for byte; what the test planted in the earlier
store (a bit, a name, a processor, damage) is what is refused and named.
"""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from deepcredit.ask.verify import verify
from deepcredit.config.schema import Trainer
from deepcredit.config.trees import leaves, set_leaf
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.core.files import checksum
from deepcredit.jobs.adopt import Adoption, Row
from deepcredit.jobs.compute import obtain
from deepcredit.plan.plan import PlannedCell
from deepcredit.store import store
from deepcredit.store.adopt import differences
from deepcredit.store.renamed import RENAMES, Rename, Renames
from tests.pipeline.adopting import FACTS, House, Old, another_kind, one_kind

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


def test_tables_of_renamed_arrays_have_their_rows_in_the_same_order() -> None:
    earlier = xr.Dataset(
        {"loss": (("rule", "seed"), np.arange(4.0).reshape(2, 2))}, {"rule": ["PC", "BP"], "seed": [3, 1]}
    )
    now = RENAMES.of_arrays(earlier, {})
    assert list(now.variables) == list(earlier.variables)
    assert now.to_dataframe().loss.tolist() == earlier.to_dataframe().loss.tolist()
    assert now.rule.values.tolist() == ["pc", "bp"]


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
