"""Gradients by hand against automatic differentiation of the energy and the loss, and one energy in closed form."""

import itertools

import pytest
import torch

from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.nets.names import Init, Parameterisation
from deepcredit.rules import backprop
from deepcredit.rules.loss import squared_loss
from deepcredit.rules.penalties import NO_PENALTIES, Penalties
from deepcredit.rules.predictive_coding.energy import (
    activity_gradient,
    energy,
    layer_energies,
    weight_gradient,
)

CASES = list(itertools.product(ACTIVATIONS.names, [0, 1, 2, 4], [False, True]))


def network(act_fn: str, n_hidden: int, skips: bool) -> tuple[MLP, Weights, torch.Tensor, torch.Tensor, torch.Tensor]:
    net = MLP(6, 5, n_hidden, 3, act_fn, Parameterisation.ntp, skips)
    rng = torch.Generator().manual_seed(1)
    weights = draw_weights(net, Init.standard_gauss, [0, 1], dtype=torch.float64)
    x, y = (torch.randn(2, 4, n, dtype=torch.float64, generator=rng) for n in (6, 3))
    z = torch.randn(2, n_hidden, 4, 5, dtype=torch.float64, generator=rng)
    return net, weights, x, y, z


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_activity_gradient_is_the_derivative_of_the_energy(case: tuple[str, int, bool], decay: float) -> None:
    net, weights, x, y, z = network(*case)
    z.requires_grad_()
    energy(net, weights, z, x, y, decay).sum().backward()
    torch.testing.assert_close(activity_gradient(net, weights, z.detach(), x, y, decay), z.grad)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("penalties", [NO_PENALTIES, Penalties(0.2, 0.0), Penalties(0.1, 0.3)], ids=str)
def test_weight_gradient_is_the_derivative_of_the_energy(case: tuple[str, int, bool], penalties: Penalties) -> None:
    net, weights, x, y, z = network(*case)
    for w in weights:
        w.requires_grad_()
    total = energy(net, weights, z, x, y, penalties=penalties).sum()
    expected = torch.autograd.grad(total, weights, allow_unused=True, materialize_grads=True)
    for found, gradient in zip(weight_gradient(net, weights, z, x, y, penalties), expected, strict=True):
        torch.testing.assert_close(found.detach(), gradient)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_backpropagation_is_the_derivative_of_the_loss(case: tuple[str, int, bool]) -> None:
    net, weights, x, y, _ = network(*case)
    for w in weights:
        w.requires_grad_()
    loss = squared_loss(feedforward(net, weights, x)[1], y).sum()
    expected = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    for found, gradient in zip(backprop.gradient(net, weights, x, y), expected, strict=True):
        torch.testing.assert_close(found.detach(), gradient)


def test_energy_of_a_network_of_single_units() -> None:
    """z_1 = 3 where 2 · 1 is predicted, z_2 = 5 where 3 + 2 · 3 is, output 2 · 5 where 12 is wanted, in two samples."""
    net = MLP(1, 1, 2, 1, "linear", Parameterisation.sp, skips=True)
    weights = Weights.from_layers([torch.full((1, 1, 1), 2.0, dtype=torch.float64)] * 3)
    x, y = torch.ones(2, 1, dtype=torch.float64), torch.full((2, 1), 12.0, dtype=torch.float64)
    z = torch.tensor([[[[3.0], [3.0]], [[5.0], [5.0]]]], dtype=torch.float64)
    assert layer_energies(net, weights, z, x, y).tolist() == [[0.5, 8.0, 2.0]]
    # decay 0.1: half of 0.1 · (9 + 25), penalties: half of 0.5 · 3 · 4 and half of 0.25 · 3 · (4 - 1)²
    found = energy(net, weights, z, x, y, 0.1, Penalties(0.5, 0.25))
    assert found.tolist() == pytest.approx([10.5 + 1.7 + 3.0 + 3.375], rel=1e-12)


def test_activity_decay_of_each_member_is_its_own() -> None:
    net, weights, x, y, z = network("tanh", 3, True)
    decays = torch.tensor([0.0, 0.7], dtype=torch.float64)
    for member, decay in enumerate(decays.tolist()):
        one = slice(member, member + 1)
        alone = (net, weights.members(one), z[one], x[one], y[one], decay)
        torch.testing.assert_close(energy(net, weights, z, x, y, decays)[one], energy(*alone))
        torch.testing.assert_close(activity_gradient(net, weights, z, x, y, decays)[one], activity_gradient(*alone))
