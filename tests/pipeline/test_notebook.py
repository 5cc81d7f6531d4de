"""`deepcredit.load` and `deepcredit.table` give a notebook what the store and a figure hold, and start no torch.

Expectations: the arrays and the table that the test wrote.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import deepcredit
from deepcredit import notebook
from deepcredit.config.cells import cells_of
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.plan.cost import Cost
from deepcredit.plan.plan import Plan, PlannedCell, PlannedFigure
from deepcredit.plan.state import figure_files
from deepcredit.store import fingerprint as fp

#: arrays of a cell with some labels, without them
Arrays = Callable[[dict[str, Any]], xr.Dataset]


def wide(labels: dict[str, Any]) -> xr.Dataset:
    """One shape for every cell, and values by which its place is known."""
    return xr.Dataset({"x": ("seed", np.float32([labels["n"], ord(labels["by"][0])]))}, coords={"seed": [7, 8]})


def deep(labels: dict[str, Any]) -> xr.Dataset:
    """As many layers as `n` says."""
    return xr.Dataset({"x": ("layer", np.arange(labels["n"]))}, coords={"layer": np.arange(labels["n"])})


GRID = [{"by": by, "n": n} for by in ("tanh", "linear") for n in (2, 1)]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A plan of one experiment, `some`, with cells of these labels and arrays; and one figure, `picture`."""
    (config,) = [cell.config for cell in cells_of("interference", "paper")]
    monkeypatch.setattr(paths, "root", lambda: tmp_path)

    def fill(grid: list[dict[str, Any]], arrays: Arrays) -> None:
        cells = []
        for number, labels in enumerate(grid):
            cells.append(PlannedCell(config, labels, ("seed=[0]",), f"results/store/some/{number}.nc", Cost(), ()))
            path = tmp_path / cells[-1].path
            path.parent.mkdir(parents=True, exist_ok=True)
            arrays(labels).assign_coords(labels).to_netcdf(path, engine="h5netcdf")
        picture = PlannedFigure("study/picture", "study", {"role": "some"}, {}, "mark", {}, ("style", ""))
        plan = Plan("ci", {"some": tuple(cells)}, {picture.name: picture})
        monkeypatch.setattr(notebook, "plan", lambda scale: plan)

    return fill


def test_axes_of_a_grid_are_dimensions_in_the_order_of_the_cells(given: Callable[..., None]) -> None:
    given(GRID, wide)
    found = deepcredit.load("some", "ci")
    assert isinstance(found, xr.Dataset)
    assert found.x.dims == ("by", "n", "seed")
    assert {name: found[name].values.tolist() for name in found.dims} == {
        "by": ["tanh", "linear"],
        "n": [2, 1],
        "seed": [7, 8],
    }
    assert found.x.dtype == np.float32
    assert found.x.sel(by="linear", n=2).values.tolist() == [2, ord("l")]
    assert found.attrs == {"experiment": "some", "kind": "interference", "scale": "ci"}


def test_where_shapes_differ_there_is_a_tree_of_what_fits_together(given: Callable[..., None]) -> None:
    given(GRID, deep)
    found = deepcredit.load("some", "ci")
    assert isinstance(found, xr.DataTree)
    assert {name: dict(node.sizes) for name, node in found.children.items()} == {
        "n=2": {"by": 2, "layer": 2},
        "n=1": {"by": 2, "layer": 1},
    }
    assert found["n=2"].x.sel(by="tanh").values.tolist() == [0, 1]
    assert found["n=2"]["n"].item() == 2


def test_cells_that_are_no_whole_grid_are_a_tree(given: Callable[..., None]) -> None:
    given(GRID[:3], wide)
    found = deepcredit.load("some", "ci")
    assert {name: node["n"].values.tolist() for name, node in found.children.items()} == {
        "by=tanh": [2, 1],
        "by=linear": [2],
    }


def test_variants_with_members_and_labels_of_their_own_are_a_tree(given: Callable[..., None]) -> None:
    """A list of members is no place along an axis, and a name in a tree holds no slash."""
    given([{"by": "1/L", "lr": [0.1, 0.2]}, {"by": "1/L", "lr": [0.5]}, {"by": "2", "n": 3}], lambda _: xr.Dataset())
    found = deepcredit.load("some", "ci")
    assert sorted(leaf.path for leaf in found.leaves) == ["/by=1∕L/lr=[0.1,0.2]", "/by=1∕L/lr=[0.5]", "/by=2"]
    assert found["by=1∕L/lr=[0.1,0.2]"]["lr"].values.tolist() == [0.1, 0.2]


def test_missing_arrays_are_one_line_that_names_the_command(given: Callable[..., None], tmp_path: Path) -> None:
    given(GRID, wide)
    (tmp_path / "results/store/some/1.nc").unlink()
    with pytest.raises(
        UserError, match="1 of 4 arrays of some are missing; run `snakemake --cores 1 picture --config scale=ci`"
    ):
        deepcredit.load("some", "ci")
    with pytest.raises(UserError, match=r"unknown experiment 'sme' \(did you mean 'some'"):
        deepcredit.load("sme", "ci")


def test_a_table_is_what_the_figure_shows_with_its_origin_apart(given: Callable[..., None]) -> None:
    given(GRID, wide)
    with pytest.raises(
        UserError, match="picture is not drawn at scale ci; run `snakemake --cores 1 picture --config scale=ci`"
    ):
        deepcredit.table("picture", "ci")
    path = next(path for path in figure_files("ci", "study/picture") if path.suffix == ".csv")
    path.parent.mkdir(parents=True)
    shown = pd.DataFrame({"n": [1, 2], "name": ["#one", "two, three"]})
    shown.assign(drawn_from=['{"figure": "picture"}', ""]).to_csv(path, index=False)
    with pytest.warns(UserWarning, match="picture is not up to date at scale ci; run `snakemake"):
        found = deepcredit.table("picture", "ci")
    pd.testing.assert_frame_equal(found, shown)
    assert found.attrs == {"drawn_from": {"figure": "picture"}}


def test_neither_starts_torch() -> None:
    """With the real plan; what is missing in the store of this clone is one line."""
    check = (
        "import sys, warnings, deepcredit\n"
        "from deepcredit.core.errors import UserError\n"
        "warnings.simplefilter('ignore')\n"
        "for ask in (deepcredit.load, deepcredit.table):\n"
        "    try:\n        ask('interference', scale='ci')\n"
        "    except UserError as error:\n        assert 'run `' in str(error)\n"
        "assert 'xarray' in sys.modules and 'deepcredit.notebook' in sys.modules\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=paths.root())
    assert done.returncode == 0, done.stderr


def test_the_package_itself_has_nothing_else_and_imports_it_late() -> None:
    with pytest.raises(AttributeError, match="module 'deepcredit' has no attribute 'lode'"):
        deepcredit.__getattr__("lode")
    check = "import deepcredit, sys; assert not {'numpy', 'deepcredit.notebook'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=paths.root()).returncode == 0


def test_no_array_depends_on_it() -> None:
    """Every module of the package brings `deepcredit` in; what a notebook finds there is in no array's fingerprint."""
    assert fp.parsed("deepcredit").imports == frozenset()
    cell = cells_of("interference", "ci")[0]
    code = fp.code_of_cell(cell.config)
    assert "deepcredit.studies.prospective.experiments.interference" in code
    assert not {"deepcredit", "deepcredit.notebook"} & set(code)
