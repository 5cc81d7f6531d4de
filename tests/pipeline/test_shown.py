"""What a run shows while it computes and when it is done: progress, a table, a picture, its number.

Expectations: arrays made by hand.
"""

import io
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import xarray as xr

from deepcredit.core.errors import UserError
from deepcredit.core.words import duration
from deepcredit.jobs.objective import measured
from deepcredit.jobs.overview import picture, table
from deepcredit.jobs.progress import Watcher


def test_the_number_of_a_run_is_what_was_last_measured_and_the_worst_where_nothing_was(trained: xr.Dataset) -> None:
    assert measured(trained, "test_accuracy") == (70 + 0) / 2
    assert measured(trained, "train_loss") == (0.5 + 4.0) / 2
    never = trained.assign(test_loss=trained.train_loss.where(False))
    assert measured(never, "test_loss") == math.inf
    with pytest.raises(UserError, match="objective='stop_reason'"):
        measured(trained, "stop_reason")


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
