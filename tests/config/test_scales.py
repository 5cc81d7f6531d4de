"""Scales: the thin grids come out as they are known, what is said of them is checked, and Hydra composes the same.

Expectations: the grids as they stood when every scale was written out in full, and the form an error must have.
"""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import DictConfig

from deepcredit.config import scales
from deepcredit.config.cells import Cell, _composed, cells_of
from deepcredit.config.compose import experiment_config, experiment_names
from deepcredit.config.schema import Thinning
from deepcredit.config.search import register
from deepcredit.config.trees import leaves, plain, tree_of
from deepcredit.core import paths
from deepcredit.core.errors import UserError

#: cells at quick, ci and paper; an experiment that is not here has as many at every scale
COUNTS = {
    "energy_ratio": (14, 4, 14),
    "energy_ratio_draws": (4, 1, 4),
    "energy_ratio_wide": (3, 1, 3),
    "forward_pass": (10, 5, 20),
    "lr_transfer_depth": (27, 12, 27),
    "lr_transfer_width": (9, 6, 15),
    "mupc_condition": (9, 6, 9),
    "mupc_depth": (15, 6, 15),
    "pc_adam": (18, 12, 18),
    "pc_depth": (15, 6, 15),
    "pc_gd": (18, 12, 18),
    "pc_orthogonal": (26, 12, 26),
    "pc_skips": (18, 12, 18),
    "target_alignment_activation": (9, 2, 9),
    "target_alignment_batch": (9, 2, 9),
    "target_alignment_depth": (9, 2, 9),
    "target_alignment_orthogonal_lr": (9, 2, 9),
    "target_alignment_scatter": (25, 2, 25),
    "target_alignment_tp": (4, 2, 4),
}

#: experiment and scale → settings that all of its cells share
SHARED: dict[tuple[str, str], dict[str, Any]] = {
    ("activity_decay", "quick"): {"inference.max_t": 32, "data.max_steps": 300, "data.test_every": 100, "seed": [0]},
    ("activity_decay", "ci"): {"inference.lr": [0.5, 0.05], "inference.activity_decay": [1.0, 0.1], "model.width": 8},
    ("activity_hessian", "quick"): {"model.width": [2, 4, 8, 16, 32], "data.slice_n_hidden": 32, "seed": [0, 1, 2]},
    ("activity_hessian_wide", "ci"): {"model.width": [8], "model.n_hidden": [8], "seed": [0]},
    ("bp_deep_long", "ci"): {"model.n_hidden": 4, "data.test_every": 2, "data.n_test": 256, "seed": [0, 1]},
    ("deep_linear_grid", "ci"): {"model.init_scale": [1e-12, 1e-6, 1.0], "optimizer.lr": [20.0, 100.0, 200.0]},
    ("energy_ratio", "ci"): {"model.width": [1, 8, 64], "optimizer.n_steps": 12, "seed": [4320]},
    ("feature_speed_branch_scale", "ci"): {"model.width": 100, "seed": [0, 1]},
    ("forward_pass", "quick"): {"model.num_layers": [16, 64, 512], "optimizer.n_steps": 5},
    ("lr_transfer_width", "quick"): {"inference.lr": [50.0, 1.0, 0.5], "data.max_steps": None, "data.test_every": 300},
    ("mupc_depth", "quick"): {"model.width": 32, "data.max_steps": 200, "data.test_every": 50, "seed": [0]},
    ("mupc_depth", "paper"): {"model.width": 512, "data.max_steps": None, "data.test_every": 300, "seed": [0, 1, 2]},
    ("target_alignment_scatter", "ci"): {"seed": [1482555873, 698841058, 2283198659], "inference.n_steps": 512},
    ("tp_leaving_chance", "ci"): {"optimizer.n_steps": 100, "optimizer.record_every": 20, "seed": [0, 1]},
}

#: experiment and scale → values of the settings named first in its cells, in order
VARIED: dict[tuple[str, str], tuple[tuple[str, ...], list[tuple[Any, ...]]]] = {
    ("pc_depth", "ci"): (
        ("model.act_fn", "model.n_hidden", "optimizer.lr", "inference.lr"),
        [(act, n, [0.01], [0.01]) for act in ("linear", "tanh", "relu") for n in (2, 4)],
    ),
    ("lr_transfer_depth", "ci"): (
        ("model.parameterisation", "model.n_hidden", "model.act_fn"),
        [(p, n, act) for p in ("mupc", "sp") for n in (2, 4) for act in ("linear", "tanh", "relu")],
    ),
    ("bp_deep_long", "quick"): (
        ("data.dataset", "data.epochs", "data.test_every"),
        [("mnist", 5, 50), ("fashion_mnist", 15, 50)],
    ),
    ("lr_transfer_width", "quick"): (
        ("model.act_fn", "model.width"),
        [(act, width) for act in ("linear", "tanh", "relu") for width in (32, 64, 96)],
    ),
    ("target_alignment_tp", "ci"): (("model.num_layers",), [(2,), (4,)]),
}


def settings(cell: Cell) -> dict[str, Any]:
    return dict(leaves(cell.settings))


@pytest.mark.parametrize("name", experiment_names())
def test_an_experiment_has_as_many_cells_at_each_scale_as_are_known(name: str) -> None:
    counts = tuple(len(cells_of(name, scale)) for scale in ("quick", "ci", "paper"))
    assert counts == COUNTS.get(name, (counts[2],) * 3)


@pytest.mark.parametrize(("name", "scale"), SHARED)
def test_what_is_kept_and_set_is_in_every_cell(name: str, scale: str) -> None:
    wanted = SHARED[name, scale]
    for cell in cells_of(name, scale):
        assert {key: settings(cell)[key] for key in wanted} == wanted


@pytest.mark.parametrize(("name", "scale"), VARIED)
def test_what_is_kept_of_axes_and_variants_comes_in_the_order_of_the_paper(name: str, scale: str) -> None:
    keys, values = VARIED[name, scale]
    assert [tuple(settings(cell)[key] for key in keys) for cell in cells_of(name, scale)] == values


@pytest.mark.parametrize("scale", ["quick", "ci"])
@pytest.mark.parametrize("name", ["mupc_depth", "pc_depth", "bp_deep_long", "target_alignment_tp", "interference"])
def test_hydra_composes_the_thin_grid(name: str, scale: str) -> None:
    composed = plain(tree_of(experiment_config([f"experiment={name}", f"scale={scale}"])))
    assert composed == plain(tree_of(_composed(name, scale)))


def test_an_application_of_hydra_needs_no_more_than_register() -> None:
    register()
    with hydra.initialize_config_dir(str(paths.conf()), version_base="1.3"):
        config = hydra.compose("config", ["experiment=mupc_depth", "scale=ci", "grid.model.act_fn=[tanh]"])
    assert config.grid.model == {"act_fn": ["tanh"], "n_hidden": [2, 4]}
    assert config.inference.lr == [50, 1, 0.5]


# --- what a scale may say -----------------------------------------------------------------------------------------


def paper(name: str, **says: Any) -> DictConfig:
    """An experiment at the paper scale, whose file says this of scales."""
    config = copy.deepcopy(_composed(name, "paper"))
    config.scales = {scale: Thinning(**said) for scale, said in says.items()}
    return config


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A further `conf/` folder for scales, with the scale `night` of which nothing is said."""
    (tmp_path / "scales").mkdir()
    (tmp_path / "scales" / "night.yaml").touch()
    monkeypatch.setattr(scales, "conf_folders", lambda: [paths.conf(), tmp_path])
    scales._shared.cache_clear()
    yield tmp_path
    scales._shared.cache_clear()


def thinned(name: str, **says: Any) -> dict[str, Any]:
    """What an experiment changes at a scale of which only its own file speaks."""
    return scales.changes(paper(name, night=says), "night")


@pytest.mark.usefixtures("conf")
def test_keeping_filters_the_grid_a_list_and_variants() -> None:
    found = thinned("energy_ratio", keep={"model.n_hidden": [4, 2], "model.width": [8], "optimizer.lr": [0.1]})
    assert found["grid"] == {"model": {"n_hidden": [2, 4]}}
    assert found["model"] == {"width": [8]}
    assert found["variants"] == [
        {"model": {"parameterisation": "mupc", "init": "standard_gauss"}, "optimizer": {"lr": 0.1}}
    ]


@pytest.mark.usefixtures("conf")
def test_setting_replaces_an_axis_a_plain_setting_and_a_value_in_every_variant() -> None:
    found = thinned(
        "energy_ratio",
        set={"model.n_hidden": [3], "optimizer.n_steps": 7, "optimizer.lr": {0.1: 0.2}, "model.skips": False},
    )
    assert found["grid"] == {"model": {"n_hidden": [3]}}
    assert found["optimizer"] == {"n_steps": 7}
    assert found["model"] == {"skips": False}
    assert [variant["optimizer"]["lr"] for variant in found["variants"]] == [0.2, 0.0001]


@pytest.mark.usefixtures("conf")
def test_what_is_as_the_paper_has_it_is_no_change() -> None:
    assert thinned("interference", set={"optimizer.lr": 0.2}) == {}


WRONG: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "a value that is not on the axis": (
        "mupc_depth",
        {"keep": {"model.n_hidden": [8, 7]}},
        ("mupc_depth: scales.night.keep.model.n_hidden=7", "allowed: 8, 16, 32, 64, 128"),
    ),
    "a value that no variant has": (
        "pc_depth",
        {"keep": {"model.n_hidden": [9]}},
        ("scales.night.keep.model.n_hidden=9", "allowed: 8, 16, 32, 64, 128"),
    ),
    "a misspelt axis": ("mupc_depth", {"keep": {"model.n_hiden": [8]}}, ("model.n_hiden", "'model.n_hidden'")),
    "what is no axis": ("mupc_depth", {"keep": {"model.width": [512]}}, ("model.width is no axis", "model.n_hidden")),
    "no value": ("mupc_depth", {"keep": {"model.n_hidden": []}}, ("keep.model.n_hidden=[]", "at least one")),
    "a misspelt setting": ("mupc_depth", {"set": {"data.max_step": 4}}, ("data.max_step", "'data.max_steps'")),
    "what says which cells there are": ("mupc_depth", {"set": {"kind": "interference"}}, ("kind is no setting",)),
    "one value for an axis": ("mupc_depth", {"set": {"model.n_hidden": 4}}, ("set.model.n_hidden=4", "a list")),
    "a replacement of what is not there": ("pc_depth", {"set": {"model.n_hidden": {9: 2}}}, ("n_hidden=9", "8, 16")),
    "variants that become the same": (
        "pc_orthogonal",
        {"set": {"model.n_hidden": 4}},
        ("set.model.n_hidden=4", "no two cells the same"),
    ),
    "variants that are all gone": (
        "pc_orthogonal",
        {"keep": {"model.act_fn": ["relu"], "model.n_hidden": [64]}},
        ("keep.model.n_hidden=[64]", "leaves a variant"),
    ),
    "a value of another type": (
        "mupc_depth",
        {"set": {"data.max_steps": "few"}},
        ("mupc_depth", "data.max_steps", "few"),
    ),
}


@pytest.mark.usefixtures("conf")
@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_thinning_is_one_line_that_names_experiment_setting_value_and_what_is_allowed(fault: str) -> None:
    name, said, parts = WRONG[fault]
    with pytest.raises(UserError) as caught:
        scales.at_scale(paper(name, night=said), "night")
    assert "\n" not in str(caught.value)
    assert [part for part in parts if part not in str(caught.value)] == []


def test_an_experiment_cannot_speak_of_an_unknown_scale_or_of_the_paper_s() -> None:
    for scale in ("quik", "paper"):
        with pytest.raises(UserError, match=f"interference: scales: unknown scale '{scale}'.*allowed: ci, quick"):
            scales.at_scale(paper("interference", **{scale: {}}), "ci")


# --- files --------------------------------------------------------------------------------------------------------


FAULTS = {
    "kinds: {pc_traning: {}}": "unknown kind 'pc_traning' (did you mean 'pc_training'?)",
    "experiments: {mupc_dept: {}}": "unknown experiment 'mupc_dept' (did you mean 'mupc_depth'?)",
    "kinds: {interference: {kep: {seed: [0]}}}": "unknown setting kinds.interference.kep (did you mean 'keep'?)",
    "kind: {interference: {}}": "unknown setting kind (did you mean 'kinds'?); allowed: kinds, experiments",
    "kinds: {interference: {keep: {seed: 0}}}": "kinds.interference.keep.seed",
    "kinds: [interference]": "night.yaml: cannot merge",
    "kinds: {": "night.yaml",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_faulty_file_of_a_scale_is_one_line_that_names_it(conf: Path, text: str) -> None:
    (conf / "scales" / "night.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        scales.at_scale(_composed("interference", "paper"), "night")
    assert "\n" not in str(caught.value)
    assert f"{conf}/scales/night.yaml: " in str(caught.value)
    assert FAULTS[text] in str(caught.value)


def test_two_files_that_speak_of_one_kind_are_refused(conf: Path) -> None:
    (conf / "scales" / "quick.yaml").write_text("kinds: {pc_training: {}}", encoding="utf-8")
    with pytest.raises(UserError, match=r"kinds.pc_training is in conf/scales/quick.yaml, too"):
        scales.at_scale(_composed("interference", "paper"), "quick")


def test_the_paper_grid_cannot_be_thinned(conf: Path) -> None:
    (conf / "scales" / "paper.yaml").write_text("kinds: {interference: {set: {optimizer.lr: 1.0}}}", encoding="utf-8")
    with pytest.raises(UserError, match="the paper grid is what interference says itself"):
        scales.at_scale(_composed("interference", "paper"), "paper")


def test_an_experiment_goes_before_its_kind_and_a_scale_is_one_file(conf: Path) -> None:
    (conf / "scales" / "night.yaml").write_text(
        "kinds: {pc_training: {keep: {seed: [0]}, set: {data.max_steps: 9, model.width: 16}}}\n"
        "experiments: {mupc_depth: {keep: {seed: [1, 2]}, set: {model.width: 64}}}\n",
        encoding="utf-8",
    )
    assert "night" in scales.scale_names()
    found = {
        name: scales.changes(_composed(name, "paper"), "night") for name in ("mupc_depth", "pc_gd", "interference")
    }
    assert found["mupc_depth"] == {"seed": [1, 2], "data": {"max_steps": 9}, "model": {"width": 64}}
    assert found["pc_gd"] == {"seed": [0], "data": {"max_steps": 9}, "model": {"width": 16}}
    assert found["interference"] == {}


# --- a study from outside -----------------------------------------------------------------------------------------

OUTSIDE = {
    "lab/__init__.py": "",
    "lab/kind.py": """
from dataclasses import dataclass, field
from deepcredit.config.schema import Experiment

@dataclass
class Model:
    width: int = 4

@dataclass
class Lab(Experiment):
    kind: str = "lab"
    model: Model = field(default_factory=Model)
""",
    "lab/study.py": """
from pathlib import Path
from deepcredit.config.studies import Kind, Study

RECORD = Study(name="lab", title="Lab", source="", figures="lab", conf=Path(__file__).parent / "conf", api=1,
               kinds=(Kind("lab", schema="lab.kind:Lab", run="lab.kind:Lab", cost="lab.kind:Lab"),))
""",
    "lab/conf/experiment/lab_widths.yaml": """
# @package _global_
defaults: [/schema@_global_: lab, _self_]
experiment: lab_widths
seed: [0, 1, 2]
grid: {model: {width: [2, 4, 8, 16]}}
scales:
  ci: {keep: {model.width: [2, 8]}}
""",
    "lab/conf/scales/ci.yaml": "kinds: {lab: {keep: {seed: [1]}}}",
    "lab/conf/scales/evening.yaml": """
kinds: {lab: {set: {model.width: [32]}}}
experiments: {target_alignment_tp: {keep: {model.num_layers: [5]}}}
""",
    "lab-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n",
    "lab-1.0.dist-info/entry_points.txt": "[deepcredit.studies]\nlab = lab.study:RECORD\n",
}

ASKED = """
import json
from deepcredit.config.cells import _composed, cells_of
from deepcredit.config.compose import experiment_config
from deepcredit.config.scales import scale_names
from deepcredit.config.trees import plain, tree_of

def cells(name, scale):
    at = [f"experiment={name}", f"scale={scale}"]
    assert plain(tree_of(experiment_config(at))) == plain(tree_of(_composed(name, scale)))
    return [[cell.settings["seed"], cell.labels] for cell in cells_of(name, scale)]

named = [("lab_widths", "quick"), ("lab_widths", "ci"), ("lab_widths", "evening"), ("target_alignment_tp", "evening")]
print(json.dumps([scale_names(), *(cells(*one) for one in named)]))
"""


def test_a_study_from_outside_writes_its_scales_in_its_own_conf(tmp_path: Path) -> None:
    for name, text in OUTSIDE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.lstrip(), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": f"{paths.PACKAGE.parent}{os.pathsep}{tmp_path}"}
    done = subprocess.run(
        [sys.executable, "-c", ASKED], cwd=paths.root(), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    names, quick, ci, evening, project = json.loads(done.stdout)
    assert names == ["ci", "evening", "paper", "quick"]
    assert quick == [[[0, 1, 2], {"width": width}] for width in (2, 4, 8, 16)]
    assert ci == [[[1], {"width": width}] for width in (2, 8)]
    assert evening == [[[0, 1, 2], {"width": 32}]]
    assert [labels for _, labels in project] == [{"num_layers": 5}]
