"""Learning at the exact equilibrium without activities, against the same with them."""

import itertools

import pytest
import torch

from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP, feedforward
from deepcredit.nets.names import Init, Parameterisation
from deepcredit.rules.loss import squared_loss
from deepcredit.rules.predictive_coding.energy import weight_gradient
from deepcredit.rules.predictive_coding.equilibrium import equilibrium
from deepcredit.rules.predictive_coding.exact_learning import ExactLearner

CASES = list(itertools.product([1, 2, 5], [Parameterisation.sp, Parameterisation.mupc], [False, True]))


@pytest.mark.parametrize(("n_hidden", "parameterisation", "skips"), CASES, ids=str)
def test_gradient_and_energy_are_those_at_the_activities_of_the_equilibrium(
    n_hidden: int, parameterisation: Parameterisation, skips: bool
) -> None:
    net = MLP(7, 5, n_hidden, 3, "linear", parameterisation, skips)
    weights = draw_weights(net, Init.standard_gauss, [0, 1], dtype=torch.float64)
    learner = ExactLearner(net, weights)
    rng = torch.Generator().manual_seed(0)
    for _ in range(2):  # the second batch in buffers that the first one used
        x, y = (torch.randn(2, 4, n, dtype=torch.float64, generator=rng) for n in (7, 3))
        learned, found = learner.learn(x, y), equilibrium(net, weights, x, y)
        torch.testing.assert_close(learned.energy, found.energy, rtol=1e-9, atol=0)
        torch.testing.assert_close(learned.loss, squared_loss(feedforward(net, weights, x)[1], y), rtol=1e-9, atol=0)
        for gradient, expected in zip(learner.gradient, weight_gradient(net, weights, found.z, x, y), strict=True):
            torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("net", [MLP(3, 3, 2, 3, "relu"), MLP(3, 3, 0, 3, "linear")], ids=["relu", "no hidden"])
def test_networks_without_such_an_equilibrium_are_refused(net: MLP) -> None:
    with pytest.raises(ValueError, match="not a linear network"):
        ExactLearner(net, draw_weights(net, Init.standard, [0]))
