"""Data sets in the plan and in fingerprints, and one that comes from another package.

Expectations: what of a record can change a number; the store's promise that another content is another name.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepcredit.config.cells import cells_of
from deepcredit.config.schema import Experiment
from deepcredit.data.datasets import DATASETS, DataSet, Sizes
from deepcredit.data.fetch import Mirrors
from deepcredit.plan.plan import _fetched
from deepcredit.store import fingerprint as fp

# --- fingerprints -------------------------------------------------------------------------------------------------


def configs(experiment: str) -> dict[str, Experiment]:
    """A config by data set."""
    return {cell.settings["data"]["dataset"]: cell.config for cell in cells_of(experiment, "ci")}


def stale(change: Callable[[DataSet], DataSet], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The data sets whose cells become stale by a change of MNIST's record."""
    of = configs("pc_gd")
    before = {name: fp.code_of_cell(config) for name, config in of.items()}
    found = DATASETS.found("mnist")
    monkeypatch.setitem(DATASETS._all, "mnist", replace(found, record=change(found.record)))
    fp._code_of.cache_clear()
    after = {name: fp.code_of_cell(config) for name, config in of.items()}
    monkeypatch.undo()
    fp._code_of.cache_clear()
    return {name for name in of if before[name] != after[name]}


def other_file(record: DataSet) -> DataSet:
    assert record.files is not None
    name = next(iter(record.files.sha256))
    return replace(record, files=replace(record.files, sha256={**record.files.sha256, name: "0" * 64}))


def other_mirrors(record: DataSet) -> DataSet:
    assert record.files is not None
    return replace(record, files=replace(record.files, sources=(Mirrors("EMNIST"),)), title="digits")


CHANGES: dict[str, tuple[Callable[[DataSet], DataSet], set[str]]] = {
    "sizes": (lambda record: replace(record, sizes=Sizes(50_000, 10_000, 784, 10)), {"mnist"}),
    "normalisation": (lambda record: replace(record, normalisation=(0.5, 0.5)), {"mnist"}),
    "checksum": (other_file, {"mnist"}),
    "loader": (lambda record: replace(record, load="deepcredit.data.npz:load"), {"mnist"}),
    "title and mirrors": (other_mirrors, set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_record_makes_its_own_cells_stale_if_it_changes_numbers(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(configs("pc_gd")) == {"mnist", "fashion_mnist"}
    how, expected = CHANGES[change]
    assert stale(how, monkeypatch) == expected


def test_a_cell_depends_on_the_loader_of_its_data_set_alone() -> None:
    of = configs("tp_learned_inverse")
    loaders = {f"deepcredit.data.{name}" for name in ("idx", "ring", "npz", "fetch", "mirrors")}
    reached = {name: loaders & set(fp.code_of_cell(config)) for name, config in of.items()}
    assert reached == {"mnist": {"deepcredit.data.idx"}, "ring": {"deepcredit.data.ring"}}


def test_what_has_to_be_fetched_is_what_has_files() -> None:
    of = configs("tp_learned_inverse") | configs("pc_gd")
    fetched = {name: list(_fetched(config)) for name, config in of.items()}
    assert fetched == {"mnist": ["mnist"], "fashion_mnist": ["fashion_mnist"], "ring": []}


# --- a user's files on a grid -------------------------------------------------------------------------------------

OWN = """
# @package _global_
defaults:
  - /schema@_global_: pc_training
  - _self_
experiment: own
model: {n_hidden: 2, width: 4, parameterisation: mupc}
data: {dataset: npz, batch_size: 4, test_every: 1}
scales:
  ci: {set: {data.n_test: 8, data.max_steps: 2, data.test_every: 1}}
grid: {data: {path: [data/a.npz, data/b.npz]}}
"""

PLANNED = """
import json
from deepcredit.plan.plan import plan
print(json.dumps([[c.path, c.labels, c.cost.memory_bytes, c.command, c.datasets] for c in plan("ci").cells["own"]]))
"""


def write(path: Path, n_inputs: int) -> None:
    x, y = np.ones((8, n_inputs), dtype=np.uint8), np.arange(8) % 2
    path.parent.mkdir(exist_ok=True)
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)


def test_files_on_a_grid_are_cells_by_their_content_and_a_changed_one_is_planned_anew(clone) -> None:
    for old in [*clone.root.glob("conf/experiment/*.yaml"), *clone.root.glob("conf/figure/*/*.yaml")]:
        old.unlink()
    (clone.root / "conf/experiment/own.yaml").write_text(OWN, encoding="utf-8")
    files = [clone.root / "data" / name for name in ("a.npz", "b.npz")]
    for file, n_inputs in zip(files, (5, 6), strict=True):
        write(file, n_inputs)

    def planned() -> list[Any]:
        done = clone.run("-c", PLANNED)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    first = planned()
    assert [cell[1]["file"] for cell in first] == [fp.hashlib.sha256(f.read_bytes()).hexdigest()[:12] for f in files]
    assert "data.path=data/a.npz" in first[0][3]
    assert [cell[4] for cell in first] == [[], []]
    assert planned() == first
    write(files[1], 6000)
    second = planned()
    assert second[0] == first[0]
    assert second[1][0] != first[1][0]
    assert second[1][2] > first[1][2]
    files[0].unlink()
    done = clone.run("-c", PLANNED)
    assert done.stderr.strip().endswith("allowed: a .npz file that is there")


# --- from another package -----------------------------------------------------------------------------------------

LOADER = '''
"""Stripes: images of 3 × 3 pixels with one bright column, and which of the three it is."""
import numpy as np
from deepcredit.data.samples import Arrays


def load(_):
    labels = np.arange(90) % 3
    images = np.random.default_rng(0).normal(size=(90, 3, 3)) + 5 * np.eye(3)[labels][:, None]
    x = images.reshape(90, 9)
    return Arrays(x[:60], labels[:60], x[60:], labels[60:])
'''

RECORD = """
from deepcredit.data.datasets import DataSet, Sizes

RECORD = DataSet(name="stripes", title="stripes", load="stripes.images:load", sizes=Sizes(60, 30, 9, 3))
"""

TRAINING = (
    "experiment=mupc_depth scale=ci data.dataset=stripes data.batch_size=10 data.n_test=30 data.max_steps=30 "
    "data.test_every=30 model.n_hidden=2 model.width=8 model.act_fn=tanh seed=[0] inference.lr=0.5"
)


@pytest.fixture
def stripes(tmp_path: Path) -> Path:
    """A folder with an installed package that brings a data set."""
    site = tmp_path / "site"
    for name, text in {
        "stripes/__init__.py": "",
        "stripes/images.py": LOADER,
        "stripes/record.py": RECORD,
        "stripes-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: stripes\nVersion: 1.0\n",
        "stripes-1.0.dist-info/entry_points.txt": "[deepcredit.datasets]\nstripes = stripes.record:RECORD\n",
    }.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")
    return site


def compute(clone, site: Path) -> Path:
    """Train on the stripes; the array's path."""
    environment = clone.environment
    environment["PYTHONPATH"] += os.pathsep + str(site)
    command = [sys.executable, "-m", "deepcredit", "compute", *TRAINING.split()]
    done = subprocess.run(command, cwd=clone.root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return clone.root / done.stdout.strip()


def test_a_data_set_of_another_package_trains_and_its_loader_is_in_the_fingerprint(clone, stripes: Path) -> None:
    from deepcredit.store import store

    path = compute(clone, stripes)
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert set(record["code"]["stripes.images"]) == {"load"}
    assert "sizes" in record["code"]["data set stripes"]
    with store.xr.open_dataset(path, engine="h5netcdf") as found:
        assert found.test_accuracy.max() > 90
    assert compute(clone, stripes) == path
    loader = stripes / "stripes" / "images.py"
    loader.write_text(LOADER.replace("5 * np.eye", "6 * np.eye"), encoding="utf-8")
    assert compute(clone, stripes) != path
