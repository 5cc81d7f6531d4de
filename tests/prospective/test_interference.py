"""The 1-1-2 network against its own equations, written out for three weights."""

import numpy as np
import pytest

from deepcredit.core.errors import UserError
from deepcredit.rules.options import HalvingInference
from deepcredit.studies.prospective.experiments.interference import run
from deepcredit.studies.prospective.schemas.interference import Interference, InterferenceData, InterferenceOptimizer

LR, STEPS = 0.2, 24
TARGET = np.array([0.0, 1.0])


def config(**sections: object) -> Interference:
    return Interference(experiment="test", scale="paper", **sections)  # type: ignore[arg-type]


def backprop_by_hand() -> np.ndarray:
    """Output v·a of weights a (in) and v (out), a ← a − η vᵀδ, v ← v − η δ a, with δ = v a − target; input 1."""
    a, v, outputs = 1.0, np.ones(2), []
    for _ in range(STEPS):
        outputs.append(v * a)
        delta = v * a - TARGET
        a, v = a - LR * v @ delta, v - LR * delta * a
    return np.array(outputs)


def predictive_coding_by_hand() -> np.ndarray:
    """The hidden unit rests at z = (a + v·target)/(1 + v·v); a ← a + η (z − a), v ← v + η (target − v z) z."""
    a, v, outputs = 1.0, np.ones(2), []
    for _ in range(STEPS):
        outputs.append(v * a)
        z = (a + v @ TARGET) / (1 + v @ v)
        a, v = a + LR * (z - a), v + LR * (TARGET - v * z) * z
    return np.array(outputs)


def test_backpropagation_follows_its_recursion() -> None:
    assert run(config()).prediction.sel(rule="bp").values == pytest.approx(backprop_by_hand(), abs=1e-5)


def test_predictive_coding_follows_the_recursion_at_equilibrium() -> None:
    assert run(config()).prediction.sel(rule="pc").values == pytest.approx(predictive_coding_by_hand(), abs=1e-4)


def test_short_inference_is_not_at_equilibrium() -> None:
    short = run(config(inference=HalvingInference(0.1, 3))).prediction.sel(rule="pc").values
    assert np.abs(short - predictive_coding_by_hand()).max() > 0.01


def test_predictions_are_taken_before_the_step() -> None:
    ds = run(config(optimizer=InterferenceOptimizer(0.2, 2)))
    assert ds.prediction.isel(step=0).values.tolist() == [[1, 1], [1, 1]]
    assert ds.prediction.sel(rule="bp", step=1).values == pytest.approx([0.64, 0.8])  # a = 0.8, v = (0.8, 1)


def test_loss_surface_is_zero_at_the_target_and_half_a_unit_away() -> None:
    ds = run(config(optimizer=InterferenceOptimizer(0.2, 1)))
    assert ds.loss.sel(output_1=0, output_2=1, method="nearest").item() == pytest.approx(0, abs=1e-12)
    assert ds.loss.sel(output_1=1, output_2=1, method="nearest").item() == pytest.approx(0.5)
    assert ds.loss.sel(output_1=0, output_2=0.8, method="nearest").item() == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: InterferenceData(1.0, [1.0]), r"data.target=\[1.0\].*two numbers"),
        (lambda: InterferenceOptimizer(0.2, 0), "optimizer.n_steps=0"),
        (lambda: InterferenceOptimizer(0.0), "optimizer.lr=0.0"),
        (lambda: HalvingInference(-1.0), "inference.lr=-1.0"),
        (lambda: HalvingInference(0.1, 0), "inference.n_steps=0"),
        (lambda: config(seed=[3]), r"seed=\[3\].*nothing is drawn at random"),
    ],
)
def test_what_cannot_be_run_names_the_setting_and_what_is_allowed(build, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=message):
        build()
