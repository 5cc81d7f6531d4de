"""Small ensembles that tests train."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from deepcredit.nets.mlp import MLP
from deepcredit.nets.names import Algorithm, Init, Parameterisation
from deepcredit.rules.options import SteppedInference
from deepcredit.training.fit import Options, Records, train
from deepcredit.training.images import ImageData
from deepcredit.training.members import Member, Recipe
from deepcredit.training.recorders import Schedule

NET = MLP(12, 8, 3, 4, "tanh", Parameterisation.mupc, skips=True)
PC = Recipe(NET, Init.standard_gauss, 1.0, "pc", batch_size=10)
BP = replace(PC, rule="bp")
SCHEDULE = Schedule(n_steps=25, test_every=5, n_test=95)
OPTIONS = Options(torch.device("cpu"), memory=1e9)


def inferring(
    seed: int, weight_lr: float, lr: float = 0.4, decay: float = 0.0, algorithm: Algorithm = Algorithm.gd
) -> Member:
    """A member that learns by three steps of inference."""
    return Member(seed, weight_lr, SteppedInference(lr, algorithm, 3, decay))


def fitted(recipe: Recipe, members: list[Member], images: ImageData, **options: Any) -> Records:
    """The members trained by `SCHEDULE`, or another `schedule`, with these `Options`."""
    schedule = options.pop("schedule", SCHEDULE)
    return train(recipe, members, images, schedule, replace(OPTIONS, **options), condition=recipe.rule == "pc")


@pytest.fixture(scope="session")
def images() -> ImageData:
    """200 training and 100 test images of 12 pixels; 4 classes that differ in their means."""
    rng = torch.Generator().manual_seed(0)
    centres = 2 * torch.randn(4, 12, generator=rng)
    labels = torch.randint(4, (300,), generator=rng)
    x = centres[labels] + torch.randn(300, 12, generator=rng)
    return ImageData(x[:200], torch.nn.functional.one_hot(labels[:200], 4).float(), x[200:], labels[200:])


class Interruption(Exception):
    """What kills a training in the middle."""
