"""A user's own file: what is read of it, the one line that each mistake gets, and what makes it another cell."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepcredit.config.cells import Cell, settings_of, single_cell, typed
from deepcredit.config.compose import experiment_config
from deepcredit.core.errors import UserError
from deepcredit.core.files import checksum
from deepcredit.data import npz, samples
from deepcredit.data.datasets import Content
from deepcredit.data.samples import Chosen
from deepcredit.jobs.compute import prepare_torch
from deepcredit.plan.cost import cost
from deepcredit.store.address import path_of
from deepcredit.store.fingerprint import code_of_cell
from deepcredit.studies.mupc.experiments import equilibrium_training, forward_pass, pc_training
from deepcredit.studies.targetprop.experiments import tp_learned_inverse

#: three classes of images of 2 × 3 pixels, far from one another
CENTRES = np.array([[[9, 0, 0], [0, 0, 9]], [[0, 9, 0], [0, 9, 0]], [[0, 0, 9], [9, 0, 0]]], dtype=np.float64)


def arrays(**changes: Any) -> dict[str, Any]:
    """A good file's arrays, with these in their place; None for none."""
    rng = np.random.default_rng(0)
    labels = np.arange(330) % 3
    images = CENTRES[labels] + rng.normal(size=(330, 2, 3))
    good = {"x_train": images[:240], "y_train": labels[:240], "x_test": images[240:], "y_test": labels[240:]}
    return {name: array for name, array in {**good, **changes}.items() if array is not None}


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of `arrays` with changes."""

    def own(name: str = "own.npz", **changes: Any) -> Path:
        path = tmp_path / name
        np.savez_compressed(path, **arrays(**changes))
        return path

    return own


def cell(experiment: str, *overrides: str) -> Cell:
    return single_cell(experiment_config([f"experiment={experiment}", "scale=ci", "data.dataset=npz", *overrides]))


# --- what is read -------------------------------------------------------------------------------------------------


def test_sizes_are_those_of_the_arrays(own) -> None:
    path = own()
    assert npz.measure(path) == Content(240, 90, 6, 3, checksum(path))


def test_pixels_are_in_rows_and_floats_are_taken_as_they_are(own) -> None:
    path = own()
    read = samples.load(Chosen("npz", path, npz.measure(path)))
    expected = arrays()["x_train"].astype(np.float32).reshape(240, 6)
    np.testing.assert_array_equal(read.normalised(read.arrays.train_x), expected)
    assert read.arrays.train_labels.dtype == np.int64


def test_bytes_are_divided_by_255(own) -> None:
    pixels = np.arange(240 * 6, dtype=np.uint8).reshape(240, 6)
    path = own(x_train=pixels, x_test=pixels[:90])
    read = samples.load(Chosen("npz", path, npz.measure(path)))
    np.testing.assert_allclose(read.normalised(read.arrays.train_x), pixels / 255, rtol=1e-6)


# --- mistakes -----------------------------------------------------------------------------------------------------

GOOD = arrays()
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no array": ({"x_test": None, "images": GOOD["x_test"]}, "it has no x_test, but x_train, y_train, y_test, images"),
    "flat images": ({"x_train": GOOD["x_train"][:, 0, 0]}, r"x_train has the shape \(240,\); allowed: \[n, D\] or"),
    "colours": ({"x_train": GOOD["x_train"][..., None]}, r"x_train has the shape \(240, 2, 3, 1\)"),
    "no images": (
        {"x_test": GOOD["x_test"][:0], "y_test": GOOD["y_test"][:0]},
        "x_test has the shape .* nothing empty",
    ),
    "other images": ({"x_test": GOOD["x_test"][..., :2]}, r"x_test has images of shape \(2, 2\); allowed: \(2, 3\)"),
    "whole numbers": (
        {"x_train": GOOD["x_train"].astype(int)},
        "x_train is of type int64; allowed: uint8 .* or floats",
    ),
    "objects": ({"x_train": GOOD["x_train"].astype(object)}, "x_train is of type object"),
    "too few labels": ({"y_train": GOOD["y_train"][1:]}, r"y_train has the shape \(239,\); allowed: \(240,\), a label"),
    "one-hot labels": ({"y_test": np.eye(3)[GOOD["y_test"]]}, r"y_test has the shape \(90, 3\)"),
    "labels of float": ({"y_train": GOOD["y_train"] / 1}, "y_train is of type float64; allowed: whole numbers"),
    "a negative label": (
        {"y_train": GOOD["y_train"] - 1},
        "y_train has 3 labels, one of them -1; allowed: .* from 0 on",
    ),
    "a class left out": (
        {"y_train": 2 * GOOD["y_train"]},
        "y_train has 3 labels, one of them 2; allowed: .* none left",
    ),
    "one class": ({"y_train": 0 * GOOD["y_train"]}, "y_train holds one class"),
    "an unknown class": ({"y_test": GOOD["y_test"] + 1}, "y_test holds the label 3; allowed: 0 to 2"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_names_file_and_array(mistake: str, own) -> None:
    changes, said = MISTAKES[mistake]
    path = own(**changes)
    with pytest.raises(UserError, match=said) as caught:
        cell("mupc_depth", f"data.path={path}")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_numbers_that_are_not_finite_are_refused_when_they_are_read(own) -> None:
    path = own(x_test=np.where(GOOD["x_test"] > 9, np.inf, GOOD["x_test"]))
    with pytest.raises(UserError, match="x_test holds NaN or infinity; allowed: finite"):
        samples.load(Chosen("npz", path, npz.measure(path)))


def test_a_file_that_is_none_or_cut_short_is_refused(own, tmp_path: Path) -> None:
    text, whole = tmp_path / "text.npz", own()
    text.write_text("not arrays")
    (tmp_path / "short.npz").write_bytes(whole.read_bytes()[:-40])
    for path in (text, tmp_path / "short.npz"):
        with pytest.raises(UserError, match=r"cannot be read \(.*\); allowed: a file that numpy.savez wrote"):
            npz.measure(path)


PLACES = {
    (): "data.path=None is not valid; allowed: the path of a file, since data.dataset=npz",
    ("data.path=/nowhere/own.npz",): "data.path='/nowhere/own.npz' is not valid; allowed: a .npz file that is there",
    (
        "data.path=own.npz",
        "data.dataset=mnist",
    ): "data.path='own.npz' is not valid; allowed: null with data.dataset=mnist",
}


@pytest.mark.parametrize("overrides", PLACES)
def test_no_file_or_one_too_many_is_one_line(overrides: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as caught:
        cell("mupc_depth", *overrides)
    assert str(caught.value) == f"mupc_depth: {PLACES[overrides]}"


def test_sizes_of_the_file_bound_the_settings(own) -> None:
    with pytest.raises(UserError, match=r"data.n_test=256 is not valid; allowed: .* to 90"):
        cell("mupc_depth", f"data.path={own()}")


# --- which cell it is ---------------------------------------------------------------------------------------------

SMALL = ("data.batch_size=10", "data.n_test=90", "trainer.accelerator=cpu")


def test_a_moved_file_is_the_same_cell_and_another_content_is_another(own, tmp_path: Path) -> None:
    path, moved = own(), tmp_path / "elsewhere (2), of mine" / "it's.npz"
    moved.parent.mkdir()
    shutil.copy(path, moved)
    before = cell("mupc_depth", *SMALL, f"data.path={path}")
    there = single_cell(experiment_config(["experiment=mupc_depth", "scale=paper", *before.overrides]))
    quoted = str(moved).replace("'", "\\'")
    after = cell("mupc_depth", *SMALL, f"data.path='{quoted}'")
    assert after.settings == before.settings == there.settings
    assert path_of(after) == path_of(before)
    again = single_cell(experiment_config(["experiment=mupc_depth", "scale=paper", *after.overrides]))
    assert again.config == after.config
    other = cell("mupc_depth", *SMALL, f"data.path={own(x_train=GOOD['x_train'] + 1)}")
    assert path_of(other) != path_of(before)
    assert "own.npz" not in str(before.settings)


def test_a_content_that_is_asked_for_is_insisted_on(own) -> None:
    given = ("mupc_depth", *SMALL, f"data.path={own()}")
    sizes = "n_train:240,n_test:90,n_inputs:6,n_classes:3"
    with pytest.raises(UserError, match=r"data.content=Content\(.*'abc'\) is not valid; allowed: what is in"):
        cell(*given, f"data.content={{{sizes},sha256:abc}}")
    with pytest.raises(UserError, match=r"data.content={.*} is not valid; allowed: null, or a mapping of n_train, "):
        cell(*given, f"data.content={{{sizes}}}")
    written = cell(*given).settings["data"]["content"]
    insisting = cell(*given, f"data.content={{{sizes},sha256:{written['sha256']}}}")
    assert insisting.settings["data"]["content"] == written


def test_a_file_changed_after_its_cell_was_made_is_not_read(own) -> None:
    chosen = cell("mupc_depth", *SMALL, f"data.path={own()}").config.data.chosen
    own(x_train=GOOD["x_train"] + 1)
    with pytest.raises(UserError, match="allowed: a file that is not changed meanwhile"):
        samples.load(chosen)


def test_the_settings_of_an_array_say_what_computed_it_where_its_file_is_gone(own) -> None:
    path = own()
    before = cell("mupc_depth", *SMALL, f"data.path={path}")
    path.unlink()
    again = typed(before.settings, "mupc_depth")
    assert settings_of(again) == before.settings
    assert code_of_cell(again) == code_of_cell(before.config)
    with pytest.raises(UserError, match=r"data\.path=None is not valid; allowed: the path of a file"):
        samples.load(again.data.chosen)


def test_what_a_cell_costs_follows_the_file(own) -> None:
    of = [cost(cell("mupc_depth", *SMALL, f"data.path={own(**changes)}").config) for changes in ({}, doubled())]
    assert of[1].memory_bytes > of[0].memory_bytes


def doubled() -> dict[str, Any]:
    return {name: np.concatenate([GOOD[name], GOOD[name]], -1) for name in ("x_train", "x_test")}


# --- training on it -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _as_a_job() -> None:
    from deepcredit.config.schema import Trainer

    prepare_torch(Trainer())


def test_a_network_by_predictive_coding_learns_the_file(own) -> None:
    steps = ("data.max_steps=96", "data.test_every=48")
    config = cell("mupc_depth", *SMALL, *steps, f"data.path={own()}", "model.width=16", "model.n_hidden=2").config
    shapes = pc_training.recipe(config).net.layer_shapes
    assert (shapes[0], shapes[-1]) == ((16, 6), (3, 16))
    found = pc_training.run(config)
    assert (found.stop_reason == "").all()
    assert (found.test_accuracy.isel(test_step=-1) > 90).all()


def test_a_deep_affine_network_by_target_propagation_learns_the_file(own) -> None:
    config = cell(
        "tp_learned_inverse",
        f"data.path={own()}",
        "data.batch_size=10",
        "model.width=12",
        "model.weight_std=0.1",
        "rule=bp",
        "rule_options={}",
        "optimizer.lr=0.05",
        "optimizer.n_steps=300",
        "optimizer.record_every=100",
    ).config
    found = tp_learned_inverse.run(config)
    assert int(found.n_classes) == 3
    # the first twelfth is set aside: 20 of 240
    assert float(found.majority_accuracy) == pytest.approx(100 * np.bincount(GOOD["y_train"][20:]).max() / 220)
    assert (found.accuracy.isel(step=-1) > 90).all()


ONE_EPOCH = {"energy_ratio": equilibrium_training.run, "forward_pass": forward_pass.run}


@pytest.mark.parametrize("experiment", ONE_EPOCH)
def test_kinds_of_one_epoch_take_the_file_and_no_more_steps_than_it_has(experiment: str, own) -> None:
    given = (f"data.path={own()}", "data.batch_size=100", "seed=[0]")
    found = ONE_EPOCH[experiment](cell(experiment, *given, "optimizer.n_steps=2").config)
    assert found.sizes["step"] == 2
    with pytest.raises(UserError, match=r"optimizer.n_steps=3 is not valid; allowed: 1 to 2, the batches of an epoch"):
        cell(experiment, *given, "optimizer.n_steps=3")
