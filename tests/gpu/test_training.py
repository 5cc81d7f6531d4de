"""Whole trainings on a CUDA device: the CPU's stops, and its records to rounding.

Adam divides a gradient by its own size, so that rounding in one that is nearly zero grows with every step. In float64
that leaves the records equal to seven digits; in float32 a device may be as far from them as the CPU is.
"""

from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest
import torch

from deepcredit.nets.init import draw_weights
from deepcredit.nets.names import Algorithm
from deepcredit.rules import products
from deepcredit.training import stack
from deepcredit.training.fit import Records
from deepcredit.training.images import ImageData
from deepcredit.training.members import Member, Recipe
from deepcredit.training.recorders import COMPLETED, DIVERGED, NO_LEARNING
from tests.ensembles import BP, PC, fitted, inferring

CPU = torch.device("cpu")
NUMBERS = ("train_loss", "test_accuracy", "activity_norm", "weight_norm", "condition_number")
#: seeds and rates of members of which the second diverges at once, and the third is at chance at its first test
RATES = ((0, 0.05), (1, 1e200), (0, 0.02), (1, 0.05))

ENSEMBLES: dict[str, tuple[Recipe, list[Member]]] = {
    "pc by gd": (PC, [inferring(*own, lr) for own, lr in zip(RATES, (0.4, 0.4, 0.4, 0.3), strict=True)]),
    "pc with decay": (PC, [inferring(*own, decay=decay) for own, decay in zip(RATES, (0.01, 0, 0, 0), strict=True)]),
    "pc by adam": (PC, [inferring(*own, lr=0.05, algorithm=Algorithm.adam) for own in RATES]),
    "bp": (BP, [Member(*own) for own in RATES]),
}


def trained(device: torch.device, name: str, images: ImageData, **options: Any) -> Records:
    recipe, members = ENSEMBLES[name]
    data = ImageData(*(tensor.to(device) for tensor in astuple(images)))
    return fitted(recipe, members, data, device=device, **options)


@pytest.fixture
def exactly(images: ImageData, monkeypatch: pytest.MonkeyPatch) -> ImageData:
    """Training is in float64, from the same weights, on these images."""
    monkeypatch.setattr(
        stack, "draw_weights", lambda *own, **named: draw_weights(*own, **named).map(torch.Tensor.double)
    )
    x, y, test_x = (tensor.double() for tensor in (images.train_x, images.train_y, images.test_x))
    return replace(images, train_x=x, train_y=y, test_x=test_x)


def assert_same_stops(found: Records, expected: Records) -> None:
    assert found.stop_reason.tolist() == expected.stop_reason.tolist()
    assert found.stop_step.tolist() == expected.stop_step.tolist()
    for name in NUMBERS:
        assert (np.isnan(getattr(found, name)) == np.isnan(getattr(expected, name))).all(), name


@pytest.mark.parametrize("name", ENSEMBLES)
def test_a_training_in_float64_is_that_on_the_cpu(name: str, exactly: ImageData, cuda: torch.device) -> None:
    found, expected = (trained(device, name, exactly) for device in (cuda, CPU))
    assert set(expected.stop_reason.tolist()) == {COMPLETED, DIVERGED, NO_LEARNING}
    assert_same_stops(found, expected)
    for number in NUMBERS:
        np.testing.assert_allclose(getattr(found, number), getattr(expected, number), rtol=1e-7, err_msg=number)


def error(found: Records, exact: Records, name: str) -> float:
    """The largest of all, relative to the largest of the numbers."""
    a, b = getattr(found, name), getattr(exact, name)
    return float(np.nanmax(np.abs(a - b)) / np.nanmax(np.abs(b)))


@pytest.mark.parametrize("name", ["pc by gd", "pc by adam", "bp"])
def test_a_training_is_as_exact_as_on_the_cpu(
    name: str, images: ImageData, cuda: torch.device, request: pytest.FixtureRequest
) -> None:
    found, on_cpu = (trained(device, name, images) for device in (cuda, CPU))
    exact = trained(CPU, name, request.getfixturevalue("exactly"))
    assert_same_stops(found, exact)
    for number in ("train_loss", "activity_norm", "weight_norm"):
        assert error(found, exact, number) <= 10 * error(on_cpu, exact, number), number


def test_training_starts_beside_a_processor_of_fast_products(
    images: ImageData, cuda: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning asks torch for the precision of products, which raises while the CPU's are changed."""
    found = []
    for keeps_float32 in (False, True):
        monkeypatch.setattr(products, "keeps_float32", lambda answer=keeps_float32: answer)
        found.append(trained(cuda, "pc by gd", images))
    assert found[0].train_loss.tobytes() == found[1].train_loss.tobytes()
