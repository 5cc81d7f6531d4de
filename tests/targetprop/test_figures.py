"""Tables and claims of this group's figures, on arrays made up so that the answers are known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import xarray as xr

from deepcredit.figures.base import NotTestable
from deepcredit.studies.targetprop.experiments import tp_linear
from deepcredit.studies.targetprop.figures import learned_inverse, subspaces, trajectories
from deepcredit.studies.targetprop.schemas.tp_linear import TpLinear, TpLinearOptimizer

CHANCE = {"until": 200, "tolerance": 4.0}


def training(accuracy: Sequence[Sequence[float]], **labels: Any) -> xr.Dataset:
    """A cell as it lies in the store, from the accuracy of each seed at iterations 0, 100, 200 …"""
    values = np.array(accuracy, dtype=float)
    shape = values.shape
    layers = np.full((*shape, 4), 0.5)
    return xr.Dataset(
        {
            "loss": (("seed", "step"), values / 100),
            "accuracy": (("seed", "step"), values),
            "layer_loss": (("seed", "step", "layer"), layers),
            "inverse_loss": (("seed", "step", "inverse_layer"), layers[..., 1:]),
            "diverged_at": (("seed",), np.full(shape[0], np.nan)),
            "majority_accuracy": ((), 84.8),
            "n_classes": ((), 10 if labels.get("dataset", "mnist") == "mnist" else 2),
        },
        coords={
            "seed": range(shape[0]),
            "step": np.arange(shape[1]) * 100,
            "layer": [1, 2, 3, 4],
            "inverse_layer": [2, 3, 4],
            **{"dataset": "mnist", "rule": "bp", "weight_std": 0.01, **labels},
        },
    )


def test_the_median_seed_decides_whether_chance_is_left() -> None:
    early, late, never = [10, 11, 15, 30], [10, 9, 11, 14.5], [10, 11, 10, 11]
    found = learned_inverse.backpropagation_stays_at_chance([training([early, late, never])], **CHANCE)
    assert found.holds
    assert found.value == {
        "points from chance until 200, median": 1.0,
        "seeds that stay": "2 of 3",
        "leaves chance at": [200, 300, None],
    }
    assert not learned_inverse.backpropagation_stays_at_chance([training([early, early, never])], **CHANCE).holds


def test_too_few_iterations_cannot_decide_about_chance() -> None:
    with pytest.raises(NotTestable, match="needs 200 iterations, this scale has 100"):
        learned_inverse.backpropagation_stays_at_chance([training([[10, 11]])], **CHANCE)


@pytest.mark.parametrize(("best", "holds"), [(84.8, True), (84.9, False)])
def test_the_ring_claim_looks_at_every_rule_and_iteration(best: float, holds: bool) -> None:
    cells = [training([[15, 84.8, 84.8]], dataset="ring"), training([[15, best, 80]], dataset="ring", rule="tp")]
    found = learned_inverse.ring_stays_at_majority([*cells, training([[99]])], tolerance=1e-6)
    assert found.holds is holds
    assert found.value == {"BP, std 0.01": 84.8, "TP, std 0.01": best}


@pytest.fixture(scope="module")
def linear() -> list[xr.Dataset]:
    return [tp_linear.run(TpLinear(optimizer=TpLinearOptimizer(n_steps=4)))]


FIRST_STEP: dict[str, Any] = {"published": {"layer 1": 1, "output above": 0.98}, "tolerance": 1e-9}
ROW_SPACES = {"turns_above": 1.0, "tolerance": 1e-6}


def test_first_step_claim_fails_where_the_output_goes_astray(linear: list[xr.Dataset]) -> None:
    assert subspaces.first_step_follows_targets(linear, **FIRST_STEP).holds
    astray = linear[0].copy(deep=True)
    astray.move_cosine.loc[{"step": 0, "matrix": 2}] = 0.97
    assert not subspaces.first_step_follows_targets([astray], **FIRST_STEP).holds


def test_row_space_claim_measures_the_angle_that_the_hidden_state_turns(linear: list[xr.Dataset]) -> None:
    found = trajectories.row_spaces_of_backpropagation(linear, **ROW_SPACES)
    first, last = linear[0].activation.sel(rule="bp", layer=1).values[[0, -1]]
    angles = [np.degrees(np.arctan2(*state[::-1])) % 360 for state in (first, last)]
    assert found.holds
    assert found.value["degrees that W_1 x_0 turns"] == pytest.approx(abs(angles[0] - angles[1]))


def test_row_space_claim_fails_where_nothing_turns(linear: list[xr.Dataset]) -> None:
    still = linear[0].isel(step=[0, 0])
    assert not trajectories.row_spaces_of_backpropagation([still], **ROW_SPACES).holds


def test_claims_about_a_rule_that_was_not_run_cannot_be_decided() -> None:
    only_tp = TpLinear(rule=["tp"], optimizer=TpLinearOptimizer(n_steps=2))
    with pytest.raises(NotTestable, match="needs rule = bp"):
        trajectories.row_spaces_of_backpropagation([tp_linear.run(only_tp)], **ROW_SPACES)


def test_subspace_figure_has_thirteen_lines_a_foliation_and_ten_levels(linear: list[xr.Dataset]) -> None:
    _, table = subspaces.tp_subspaces(linear)
    drawn = {(row, layer): dict(part.element.value_counts()) for (row, layer), part in table.groupby(["row", "layer"])}
    dots = {"activation": 1, "target": 1}
    for layer in (0, 1):
        assert drawn["read", layer] == {"quotient by kernel": 13, "kernel": 1, "coimage": 1, **dots}
    assert drawn["read", 2] == {"loss level": 10, "y": 1, **dots}
    assert drawn["write", 0] == dots
    assert drawn["write", 1] == {"quotient by cokernel": 13, "cokernel": 1, "image": 1, **dots}
    assert drawn["write", 2] == {"quotient by cokernel": 13, "cokernel": 1, "image": 1, "y": 1, **dots}


def test_points_on_a_line_of_the_foliation_are_sent_to_the_same_place(linear: list[xr.Dataset]) -> None:
    _, table = subspaces.tp_subspaces(linear)
    weight = linear[0].weight.sel(rule="tp", step=0, matrix=1).values
    lines = table[(table.row == "read") & (table.layer == 0) & (table.element == "quotient by kernel")]
    assert lines[["direction_1", "direction_2"]].values @ weight.T == pytest.approx(np.zeros((13, 2)), abs=1e-12)
    assert np.linalg.norm(lines[["unit_1", "unit_2"]], axis=1) == pytest.approx(np.abs(lines.value))


def test_trajectory_table_holds_every_value_drawn(linear: list[xr.Dataset]) -> None:
    _, table = trajectories.tp_trajectories(linear)
    steps, rules = 5, 2
    expected = {"activation": 3 * 2, "output_gradient": 3 * 2, "weight": 2 * 4, "weight_update": 2 * 4}
    assert dict(table.variable.value_counts()) == {name: n * steps * rules for name, n in expected.items()}


def test_training_table_leaves_out_what_was_not_measured() -> None:
    stopped, chance = training([[10, 20, np.nan]]), training([[10, 10]])
    ring = training([[15, 84.8, 84.8]], dataset="ring", rule="tp")
    _, table = learned_inverse.tp_learned_inverse([stopped, ring], [chance], source_weight_std=0.01)
    accuracy = table[(table.variable == "accuracy") & (table.dataset == "mnist")]
    assert accuracy[accuracy.role == "training"][["step", "value"]].values.tolist() == [[0, 10], [100, 20]]
    assert accuracy[accuracy.role == "chance"].value.tolist() == [10, 10]
    assert sorted(table[table.variable == "inverse_loss"].layer.unique()) == [2, 3, 4]
