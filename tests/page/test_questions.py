"""The commands that answer questions: explain, verify, gc, diff, whence, list.

Expectations: the edit that was made to the project, or the damage done to a file, must be what the command names.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from deepcredit.ask.compare import Table, table_differences
from deepcredit.ask.verify import faults_of
from deepcredit.ask.whence import whence
from deepcredit.config.cells import Cell, cells_of, label_of
from deepcredit.config.trees import leaves
from deepcredit.core import paths, words
from deepcredit.core.errors import UserError
from deepcredit.core.files import checksum
from deepcredit.core.words import aligned
from deepcredit.figures.render import render
from deepcredit.store import store
from deepcredit.store.address import provenance_path
from tests.clones import Clone
from tests.page.conftest import say

pytestmark = [pytest.mark.xdist_group("page"), pytest.mark.timeout(1200)]

DEPTH, INTERFERENCE = "target_alignment_depth", "interference"

#: changes the code of a function without changing what it does
DECORATED = "@(lambda function: function)\n"


def explained(clone: Clone, figure: str) -> str:
    return say(clone, "explain", figure, "--scale", "ci")


def array_of(clone: Clone, experiment: str) -> Path:
    """The one array of an experiment that the figures of the clone read first."""
    return sorted((clone.root / "results" / "store" / experiment).glob("*.nc"))[0]


# --- explain ------------------------------------------------------------------------------------------------------


def test_a_figure_to_which_nothing_happened_is_up_to_date(built: Clone) -> None:
    assert explained(built, INTERFERENCE) == "interference is up to date at scale ci (1 array).\n"


def test_a_changed_setting_is_named_with_its_old_and_new_value(project: Clone) -> None:
    project.edit(project.root / "conf" / "experiment" / "interference.yaml", "lr: 0.2", "lr: 0.25")
    told = explained(project, INTERFERENCE)
    assert "1 of 1 array of interference is missing:\n    the setting optimizer.lr changed: 0.2 → 0.25\n" in told
    assert "snakemake --cores 1 interference --config scale=ci" in told


def test_a_changed_grid_value_is_new_and_the_old_one_is_not_read_any_more(project: Clone) -> None:
    path = project.root / "conf" / "experiment" / "target_alignment_depth.yaml"
    kept = "scales: {ci: {keep: {model.num_layers: [4, 15]}}}\n"
    path.write_text(path.read_text(encoding="utf-8") + kept, encoding="utf-8")
    told = explained(project, DEPTH)
    assert f"1 of 2 arrays of {DEPTH} is missing (num_layers 4):" in told
    assert "the setting num_layers = 4 is new (computed before: 2, 15)" in told
    assert "it was drawn with 1 array that it does not read any more" in told
    assert "(num_layers = 2)" in told


def test_changed_code_is_named_by_module_and_function(project: Clone) -> None:
    path = project.root / "src" / "deepcredit" / "studies" / "prospective" / "experiments" / "interference.py"
    project.edit(path, "def loss_surface(", f"{DECORATED}def loss_surface(")
    path.write_text(path.read_text(encoding="utf-8") + "\n\ndef quite_new():\n    return 0\n", encoding="utf-8")
    told = explained(project, INTERFERENCE)
    assert (
        "code changed in deepcredit.studies.prospective.experiments.interference: loss_surface, quite_new (new)" in told
    )
    assert explained(project, DEPTH).startswith(f"{DEPTH} is up to date")


def test_a_deleted_array_is_gone(project: Clone) -> None:
    array_of(project, INTERFERENCE).unlink()
    told = explained(project, INTERFERENCE)
    assert "1 of 1 array of interference is missing:\n    the array is gone: it was computed on " in told


def test_an_array_that_was_never_computed_is_said_to_be_so(project: Clone) -> None:
    shutil.rmtree(project.root / "results" / "store" / INTERFERENCE)
    assert "the store has no array of this experiment" in explained(project, INTERFERENCE)


def test_changes_of_the_drawing_are_named_apart_from_those_of_arrays(project: Clone) -> None:
    source = project.root / "src" / "deepcredit" / "figures"
    project.edit(source / "deepcredit.mplstyle", "lines.linewidth: 1.4", "lines.linewidth: 1.3")
    config = project.root / "conf" / "figure" / "prospective" / "interference.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("title: ", "title: New ", 1), encoding="utf-8")
    told = explained(project, INTERFERENCE)
    assert "the style sheet changed" in told
    assert "its config title changed: Interference" in told
    assert "→ New Interference" in told
    assert "missing" not in told


def test_a_changed_drawing_function_is_named(project: Clone) -> None:
    path = project.root / "src" / "deepcredit" / "studies" / "prospective" / "figures" / "prospective.py"
    project.edit(path, "def interference(", f"{DECORATED}def interference(")
    told = explained(project, INTERFERENCE)
    assert (
        "the figure:\n    drawing code changed in deepcredit.studies.prospective.figures.prospective: interference\n"
        in told
    )


def test_a_figure_that_was_never_drawn_and_one_that_lost_a_file(project: Clone) -> None:
    figures = project.root / "results" / "ci" / "figures" / "prospective"
    (figures / "interference.pdf").unlink()
    assert "gone: results/ci/figures/prospective/interference.pdf" in explained(project, INTERFERENCE)
    shutil.rmtree(project.root / "results" / "ci")
    assert "it was never drawn" in explained(project, INTERFERENCE)


def test_explaining_computes_nothing_and_an_unknown_figure_is_one_line(project: Clone) -> None:
    before = {p: p.stat().st_mtime_ns for p in (project.root / "results" / "store").rglob("*")}
    array_of(project, INTERFERENCE).unlink()
    explained(project, INTERFERENCE)
    after = {p: p.stat().st_mtime_ns for p in (project.root / "results" / "store").rglob("*.*")}
    assert after.items() <= before.items()
    assert "did you mean 'interference'" in say(project, "explain", "interferenc", code=2)


# --- verify -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cell() -> Cell:
    return cells_of(DEPTH, "ci")[0]


@pytest.fixture
def array(cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole array in a store of its own."""
    monkeypatch.setattr(paths, "store", lambda: tmp_path / "store")
    monkeypatch.setattr(paths, "relative", lambda path: path.name)
    return store.write(cell, dataset(cell), {"seconds": 1.0, "device": "cpu", "threads": 1})


def dataset(cell: Cell) -> xr.Dataset:
    """Different numbers in every variable that a cell promises, over the values of its settings."""
    listed = {label_of(key): value for key, value in leaves(cell.settings) if isinstance(value, list)}
    variables = type(cell.config).variables
    coords = {dim: listed.get(dim, [0, 1]) for variable in variables.values() for dim in variable.dims}
    shapes = {name: [len(coords[dim]) for dim in variable.dims] for name, variable in variables.items()}
    arrays = {name: np.arange(np.prod(shape), dtype=float).reshape(shape) for name, shape in shapes.items()}
    return xr.Dataset({name: (variables[name].dims, arrays[name]) for name in variables}, coords)


def rewritten(path: Path, found: xr.Dataset) -> None:
    """Put other arrays under the name, with the checksum that they have."""
    path.unlink()
    found.to_netcdf(path, engine="h5netcdf")
    record = json.loads(provenance_path(path).read_text(encoding="utf-8"))
    provenance_path(path).write_text(json.dumps({**record, "sha256": checksum(path)}), encoding="utf-8")


def test_a_whole_array_has_no_fault(array: Path) -> None:
    assert list(faults_of(array)) == []


def test_a_truncated_file_is_found(array: Path) -> None:
    array.write_bytes(array.read_bytes()[:-100])
    (fault,) = faults_of(array)
    assert "SHA-256" in fault


def test_a_flipped_bit_is_found_wherever_it_is(array: Path) -> None:
    whole = array.read_bytes()
    for position in (0, len(whole) // 2, len(whole) - 1):
        array.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        (fault,) = faults_of(array)
        assert "SHA-256" in fault


def test_a_swapped_file_is_found_with_and_without_its_provenance(array: Path, cell: Cell) -> None:
    other = store.write(cells_of(DEPTH, "ci")[1], dataset(cell), {"seconds": 1.0})
    assert other.read_bytes() != array.read_bytes()
    array.write_bytes(other.read_bytes())
    assert "SHA-256" in next(faults_of(array))
    shutil.copy(provenance_path(other), provenance_path(array))
    assert list(faults_of(array)) == ["its name is not that of its settings and code"]


def test_an_array_of_another_shape_is_found(array: Path) -> None:
    found = store.read(array)
    rewritten(array, found.isel(seed=[0]))
    (fault,) = faults_of(array)
    assert fault.startswith("dimension seed is not [1482555873, 698841058, 2283198659]")


def test_transposed_missing_and_infinite_variables_are_found(array: Path) -> None:
    found = store.read(array)
    name = next(n for n, v in found.data_vars.items() if v.ndim > 1)
    rewritten(array, found.assign({name: found[name].transpose(*found[name].dims[::-1])}))
    assert any("has dimensions" in fault for fault in faults_of(array))
    rewritten(array, found.drop_vars(name))
    assert f"variable {name} is missing" in list(faults_of(array))


def test_other_settings_than_the_name_says_are_found(array: Path) -> None:
    found = store.read(array)
    found.attrs["settings"] = found.attrs["settings"].replace("0.001", "0.002")
    rewritten(array, found)
    assert "its attributes are not those of its provenance" in list(faults_of(array))


def test_an_array_without_provenance_is_found(array: Path) -> None:
    provenance_path(array).write_text("{", encoding="utf-8")
    assert "provenance" in next(faults_of(array))


def test_verify_names_the_damaged_file_and_a_command_that_mends_it(project: Clone) -> None:
    assert "0 damaged" in say(project, "verify")
    path = array_of(project, INTERFERENCE)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    told = say(project, "verify", code=1)
    name = path.relative_to(project.root).as_posix()
    assert told.startswith(f"{name}: its SHA-256 is ")
    remedy = told.splitlines()[1].strip()
    assert (
        remedy
        == f"rm -f {name} {name.removesuffix('.nc')}.json && deepcredit compute experiment=interference scale=paper"
    )
    removed, _, computed = remedy.partition(" && ")
    for gone in removed.removeprefix("rm -f ").split():
        (project.root / gone).unlink()
    say(project, *computed.removeprefix("deepcredit ").split())
    assert path.read_bytes() == whole
    assert "0 damaged" in say(project, "verify")


# --- gc -----------------------------------------------------------------------------------------------------------


def test_gc_lists_what_no_scale_reads_and_removes_only_that_and_only_when_told(project: Clone) -> None:
    folder = project.root / "results" / "store"
    before = set(folder.rglob("*.*"))
    assert say(project, "gc") == "every array is read by a figure\n"
    say(project, "compute", "experiment=interference", "optimizer.lr=0.3")
    added = set(folder.rglob("*.*")) - before
    assert len(added) == 2
    told = say(project, "gc")
    assert "1 array that no figure reads, " in told
    assert {line.split()[-1] for line in told.splitlines()[:-1]} == {
        p.relative_to(project.root).as_posix() for p in added if p.suffix == ".nc"
    }
    assert set(folder.rglob("*.*")) == before | added
    assert "removed" in say(project, "gc", "--yes")
    assert set(folder.rglob("*.*")) == before


# --- diff ---------------------------------------------------------------------------------------------------------


def test_two_equal_builds_differ_in_nothing(built: Clone, tmp_path: Path) -> None:
    shutil.copytree(built.root / "results" / "ci", tmp_path / "other")
    assert "differ in nothing" in say(built, "diff", "results/ci", str(tmp_path / "other"))


def test_diff_names_the_figure_by_how_much_it_changed_and_the_verdict(built: Clone, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(built.root / "results" / "ci", other)
    table = other / "figures" / "prospective" / "interference.csv"
    rows = pd.read_csv(table)
    row = rows.index[rows.prediction.abs() > 0.5][0]
    old = rows.loc[row, "prediction"]
    rows.loc[row, "prediction"] = old * 1.5
    rows.to_csv(table, index=False, float_format="%.9g")
    claims = other / "claims" / "prospective" / "interference.json"
    claims.write_text(claims.read_text(encoding="utf-8").replace('"reproduced"', '"not reproduced"'), encoding="utf-8")
    told = say(built, "diff", "results/ci", str(other), code=1)
    how_much = f"1 of {len(rows)} values differ, by at most {abs(old) / 2:.3g} (33.3 %)"
    assert f"prospective/interference:\n  prediction: {how_much}" in told
    assert "claim of interference: reproduced → not reproduced: " in told
    assert "dln_loss" not in told
    assert "allowed: a folder of results" in say(built, "diff", "results/ci", str(tmp_path), code=2)


def test_rows_are_matched_by_their_coordinates_not_by_their_order() -> None:
    one = Table(("rule", "depth", "value"), (("PC", "2", "0.123456789"), ("BP", "2", "0.5")))
    other = Table(("rule", "depth", "value"), (("BP", "2", "0.5"), ("PC", "2", "0.123456789"), ("PC", "4", "0.25")))
    assert list(table_differences(one, one)) == []
    assert list(table_differences(one, other)) == ["1 of 3 rows only in B"]
    changed = Table(one.columns, (("PC", "2", "0.123456790"), ("BP", "2", "0.5")))
    assert list(table_differences(one, changed)) == ["value: 1 of 2 values differ, by at most 1e-09 (8.1e-07 %)"]


def test_the_same_number_written_differently_is_no_difference() -> None:
    one = Table(("step", "value"), (("1", "0.1234567"), ("2", "1.0")))
    other = Table(("step", "value"), (("1", "0.12345670"), ("2", "1")))
    assert list(table_differences(one, other)) == []


# --- whence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pdf", ".png", ".csv"])
def test_a_copied_and_renamed_file_says_what_it_was_drawn_from(built: Clone, tmp_path: Path, suffix: str) -> None:
    original = built.root / "results" / "ci" / "figures" / "prospective" / f"target_alignment_depth{suffix}"
    copied = tmp_path / "some file"
    shutil.copy(original, copied)
    found = whence(copied)
    record = built.root / "results" / "ci" / "drawn" / "prospective" / "target_alignment_depth.json"
    known = json.loads(record.read_text(encoding="utf-8"))
    assert {key: found[key] for key in ("figure", "scale", "arrays", "fingerprint")} == {
        key: known[key] for key in ("figure", "scale", "arrays", "fingerprint")
    }
    assert found["command"] == "snakemake --cores 1 target_alignment_depth --config scale=ci"
    assert found["versions"]["numpy"] == np.__version__
    told = say(built, "whence", str(copied))
    assert all(path in told for path in known["arrays"])


def test_metadata_with_every_awkward_character_survive_in_every_kind_of_file(tmp_path: Path) -> None:
    source = {"figure": 'a (b) \\( ) "q", ;\t\n é μ', "arrays": ["x\\y.nc"], "command": "c (d"}
    table = pd.DataFrame({"x": [1, 2, 3], "name": ["a,b", 'c"d', "e"]})
    for suffix, content in render(lambda data: (Figure(), table), {}, source).items():
        path = tmp_path / f"file{suffix}"
        path.write_bytes(content)
        assert whence(path) == source


def test_the_table_is_read_by_any_reader_and_holds_the_values_drawn(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [1, 2, 3], "name": ["a,b", 'c"d', "e"]})
    files = render(lambda data: (Figure(), table), {}, {"figure": "f", "arrays": [], "command": "c"})
    (tmp_path / "table.csv").write_bytes(files[".csv"])
    found = pd.read_csv(tmp_path / "table.csv")
    pd.testing.assert_frame_equal(found.drop(columns="drawn_from"), table)
    assert found.drawn_from.notna().tolist() == [True, False, False]


def test_a_file_of_another_origin_is_refused_in_one_line(tmp_path: Path) -> None:
    for name, content in {"a.csv": b"x,y\n1,2\n", "b.png": b"\x89PNG\r\n\x1a\nbroken", "c": b"\xff\xfe"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="has no metadata of deepcredit"):
            whence(tmp_path / name)
    with pytest.raises(UserError, match="cannot read"):
        whence(tmp_path / "absent.png")


# --- list ---------------------------------------------------------------------------------------------------------


def test_list_shows_the_state_of_figures_and_experiments(project: Clone) -> None:
    config = project.root / "conf" / "experiment" / "interference.yaml"
    project.edit(config, "lr: 0.2", "lr: 0.25")
    shutil.rmtree(project.root / "results" / "store" / "target_alignment_tp")
    (project.root / "results" / "ci" / "figures" / "saxe" / "dln_rsm.png").unlink()
    told = say(project, "list", "--scale", "ci")
    figures, experiments = (
        {line.split()[0]: line.split() for line in part.splitlines()} for part in told.split("\n\n")[:2]
    )
    assert figures["interference"][1:3] == ["stale", "0/1"]
    assert figures["dln_rsm"][1:3] == ["missing", "1/1"]
    assert figures["dln_loss"][1:3] == ["fresh", "2/2"]
    assert experiments["interference"][1:3] == ["stale", "0/1"]
    assert experiments["target_alignment_tp"][1] == "missing"
    assert experiments["deep_linear"][1:3] == ["fresh", "1/1"]


def test_times_and_tables_are_readable() -> None:
    assert [words.cost(s) for s in (0, 0.4, 59.4, 60, 200, 7500, 273600)] == [
        "0 s", "< 1 s", "59 s", "1 min", "3 min 20 s", "2 h 5 min", "3 d 4 h",
    ]  # fmt: skip
    assert aligned([["a", "bb", "1"], ["ccc", "d", "10"]]) == ["a    bb   1", "ccc  d   10"]
