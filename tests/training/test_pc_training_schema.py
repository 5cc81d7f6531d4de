"""Settings of training: what is accepted, and the one line that each mistake gets."""

from typing import Any

import pytest

from deepcredit.core.errors import UserError
from deepcredit.rules.options import SteppedInference as Inference
from deepcredit.studies.mupc.schemas.pc_training import Data, Model, Optimizer, PcTraining, Record

KEYS = {Inference: "inference", Optimizer: "optimizer", Model: "model", Data: "data"}


@pytest.mark.parametrize(("given", "expected"), [(0.5, [0.5]), (1, [1.0]), ([0.1, 2], [0.1, 2.0])])
def test_a_rate_is_a_number_or_a_list(given: Any, expected: list[float]) -> None:
    assert Inference(lr=given).lr == Optimizer(lr=given).lr == expected
    assert Inference(activity_decay=given).activity_decay == expected


@pytest.mark.parametrize("section", [Inference, Optimizer])
@pytest.mark.parametrize("value", ["fast", None, True, -0.1, float("nan"), float("inf"), [], [0.1, "x"], [0.1, 0.1]])
def test_a_learning_rate_that_is_none_is_refused_with_its_key(section: type, value: Any) -> None:
    with pytest.raises(UserError, match=rf"{KEYS[section]}\.lr="):
        section(lr=value)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        (Model, "width", 0),
        (Model, "n_hidden", 0),
        (Inference, "max_t", -1),
        (Inference, "max_t", "deep"),
        (Inference, "max_t", 2.5),
        (Optimizer, "weight_decay", -1.0),
        (Data, "batch_size", 0),
        (Data, "batch_size", 60_001),
        (Data, "epochs", 0),
        (Data, "max_steps", 0),
        (Data, "test_every", 938),
        (Data, "n_test", 63),
        (Data, "n_test", 10_001),
    ],
)
def test_a_number_out_of_range_is_refused_with_its_key(section: type, key: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"{KEYS[section]}\.{key}={value!r} .* allowed"):
        section(**{key: value})


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"inference": Inference(lr=[0.1, 0.2])}, "inference.lr"),
        ({"inference": Inference(activity_decay=0.1)}, "inference.activity_decay"),
        ({"optimizer": Optimizer(weight_decay=0.1)}, "optimizer.weight_decay"),
        ({"record": Record(condition_number=True)}, "record.condition_number"),
    ],
)
def test_backpropagation_refuses_what_it_has_no_use_for(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError, match=key):
        PcTraining(rule="bp", **settings)


def test_inference_as_long_as_the_network_is_deep() -> None:
    assert Inference().steps(17) == 17
    assert Inference(max_t=0).steps(17) == 0


def test_steps_of_an_epoch_leave_the_incomplete_batch_out() -> None:
    assert Data(epochs=5).n_steps == 5 * 937
    assert Data(epochs=5, max_steps=300).n_steps == 300
