"""One run from the command line: what it computes, what it shows, and what it refuses.

Expectations: the pipeline's own cell for the same settings, Hydra's grammar for sweeps, the form an error must have.
"""

import io
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import xarray as xr

from deepcredit.config.cells import cells_of, single_cell
from deepcredit.config.compose import experiment_config
from deepcredit.core.errors import UserError
from deepcredit.core.words import duration
from deepcredit.jobs import run
from deepcredit.jobs.overview import picture, table
from deepcredit.jobs.progress import Watcher
from deepcredit.store.address import path_of

DEPTH = "experiment=target_alignment_depth"


def jobs(*overrides: str) -> list[list[str]]:
    return list(run.described([DEPTH, *overrides], multirun=True))


def test_a_single_value_for_a_list_is_a_list_of_one() -> None:
    assert jobs("seed=3", "model.num_layers=2") == [[DEPTH, "seed=[3]", "model.num_layers=2"]]
    assert jobs("seed=[3,4]") == [[DEPTH, "seed=[3,4]"]]


def test_a_sweep_is_the_product_of_its_choices() -> None:
    found = jobs("model.act_fn=linear,tanh", "model.num_layers=range(2,4)")
    expected = [[DEPTH, f"model.act_fn=[{a}]", f"model.num_layers={n}"] for a in ("linear", "tanh") for n in (2, 3)]
    assert found == expected


def test_settings_of_hydra_are_not_settings_of_a_run() -> None:
    assert jobs("hydra/launcher=submitit_slurm", "hydra.launcher.partition=long") == [[DEPTH]]


@pytest.mark.parametrize(
    ("override", "advice"),
    [("seed=0,1", "write seed=[0,1] for a list, or add -m"), ("model.num_layers=2,3", "several values; add -m")],
)
def test_several_values_without_multirun_are_refused_with_what_to_write(override: str, advice: str) -> None:
    with pytest.raises(UserError, match="is several values") as caught:
        list(run.described([DEPTH, override], multirun=False))
    assert advice in str(caught.value)


def test_settings_written_differently_are_the_pipelines_cell() -> None:
    (planned,) = cells_of("interference", "quick")
    written = single_cell(experiment_config(["experiment=interference", "data.input=1", "data.target=[0,1]"]))
    assert path_of(run._as_planned(written, "quick")) == path_of(planned)
    other = single_cell(experiment_config(["experiment=interference", "data.input=2"]))
    assert run._as_planned(other, "quick") == other


def test_run_computes_what_compute_does_and_then_takes_it_from_the_store(clone) -> None:
    settings = ("experiment=interference", "inference.n_steps=8")
    swept = ("experiment=interference", "inference.n_steps=8,9")
    first = clone.run("-m", "deepcredit", "run", *settings)
    assert first.returncode == 0, first.stderr
    assert "interference: computing" in first.stdout
    arrays = sorted(p for p in (clone.root / "results").rglob("*.nc"))
    again = clone.run("-m", "deepcredit", "run", "-m", *swept)
    assert again.returncode == 0, again.stderr
    assert "interference: from the store" in again.stdout
    assert "interference: computing" in again.stdout
    computed = clone.run("-m", "deepcredit", "compute", *settings)
    assert [clone.root / computed.stdout.strip()] == arrays
    folder = clone.root / "results" / "runs" / f"interference-{arrays[0].stem}"
    assert {p.name for p in folder.iterdir()} == {"picture.png", "table.csv", "settings.yaml"}
    assert all(str(p.relative_to(clone.root)) in first.stdout for p in [*arrays, *folder.iterdir()])
    assert not (clone.root / "outputs").exists()
    assert not (clone.root / "multirun").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((DEPTH, "model.num_layers=2", "model.act_fm=tanh"), "did you mean 'model.act_fn'"),
        (("-m", DEPTH, "model.num_layers=2,0"), "model.num_layers=0 is not valid"),
        (("experiment=target_alignment_dept",), "did you mean"),
        (("seed=0",), "experiment=<name>"),
    ],
)
def test_a_wrong_run_is_one_line_and_writes_nothing(clone, words: tuple[str, ...], said: str) -> None:
    done = clone.run("-m", "deepcredit", "run", *words)
    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert said in done.stderr
    assert not (clone.root / "results").exists()


def test_without_arguments_it_shows_how_to_use_it_and_what_there_is() -> None:
    text = run.usage()
    assert "usage: deepcredit run experiment=NAME" in text
    assert "  interference  " in text
    assert "inference.n_steps" in run.usage(["experiment=interference"])


# --- progress -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    step: int
    n_steps: int = 1000
    loss: float = 0.25
    accuracy: float = math.nan
    members: int = 3
    first: int = 0
    of: int = 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def watched(stream: io.StringIO, seconds_a_step: float, steps: range) -> list[str]:
    now = [0.0]
    watch = Watcher(stream, lambda: now[0])
    for step in steps:
        now[0] = step * seconds_a_step
        watch(Report(step))
    return stream.getvalue().splitlines()


def test_a_log_has_a_line_now_and_then_with_the_time_left() -> None:
    lines = watched(io.StringIO(), 0.2, range(1, 1001))
    assert lines[0] == "iteration 50/1000, loss 0.25, 3 min 10 s left"
    assert lines[-1] == "iteration 1000/1000, loss 0.25"
    assert len(lines) == 5


def test_the_time_left_of_a_resumed_training_is_of_what_is_left() -> None:
    lines = watched(io.StringIO(), 0.2, range(500, 1001))
    assert lines[0] == "iteration 500/1000, loss 0.25"
    assert lines[1] == "iteration 800/1000, loss 0.25, 40 s left"


def test_a_terminal_has_one_line_with_a_bar() -> None:
    stream = Terminal()
    watch = Watcher(stream, lambda: 0.0)
    watch(replace(Report(500), accuracy=91.25, members=1, first=1))
    text = stream.getvalue()
    assert text.startswith("\r")
    assert "\n" not in text
    assert text.count("█") == text.count("░") > 0
    assert text.endswith("accuracy 91.2 %, runs 2 to 2 of 3")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273600, "3 d 4 h")]
)
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said


# --- what is shown ------------------------------------------------------------------------------------------------


@pytest.fixture
def trained() -> xr.Dataset:
    """Two members: one that ran to its end, and one that diverged in its second step, before any test."""
    return xr.Dataset(
        {
            "train_loss": (("seed", "step"), np.array([[3.0, 2.0, 1.0, 0.5], [4.0, np.nan, np.nan, np.nan]])),
            "test_accuracy": (("seed", "test_step"), np.array([[60.0, 70.0], [np.nan, np.nan]])),
            "stop_step": ("seed", [4, 1]),
            "stop_reason": ("seed", ["", "diverged"]),
        },
        {"seed": [0, 1], "step": [1, 2, 3, 4], "test_step": [2, 4], "n_hidden": 8},
    )


def test_the_table_of_a_training_has_the_last_measured_values_of_every_member(trained: xr.Dataset) -> None:
    rows = table(trained).to_dict("records")
    assert rows[0] == {"seed": 0, "iterations": 4, "train_loss": 0.5, "test_accuracy": 70.0, "stopped": "no"}
    assert (rows[1]["train_loss"], rows[1]["stopped"]) == (4.0, "diverged")
    assert math.isnan(rows[1]["test_accuracy"])


def test_the_picture_of_a_training_shows_every_members_loss_and_accuracy(trained: xr.Dataset) -> None:
    loss, accuracy = picture(trained).axes
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), trained.train_loss[0])
    np.testing.assert_array_equal(accuracy.lines[0].get_ydata(), trained.test_accuracy[0])
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["seed 0", "seed 1"]


def test_other_arrays_are_shown_variable_by_variable(trained: xr.Dataset) -> None:
    other = trained[["train_loss"]].rename(train_loss="angle")
    (row,) = table(other).to_dict("records")
    assert row == {
        "variable": "angle",
        "dimensions": "seed 2, step 4",
        "minimum": "0.5",
        "mean": "2.1",
        "maximum": "4",
    }
    (axes,) = picture(other).axes
    assert len(axes.lines) == 2
