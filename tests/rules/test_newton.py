"""Equilibria that are searched for: against the exact one, the Hessian, and one-sided differences in kinks."""

import pytest
import torch
from torch import Tensor

from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.nets.names import Init, Parameterisation
from deepcredit.rules.options import NewtonInference
from deepcredit.rules.predictive_coding.energy import activity_gradient, energy
from deepcredit.rules.predictive_coding.equilibrium import equilibrium
from deepcredit.rules.predictive_coding.newton import find_equilibrium
from deepcredit.theory.hessian import activity_hessian

OPTIONS = NewtonInference(tolerance=1e-9)


def task(act_fn: str, skips: bool, scale: float = 1.0) -> tuple[MLP, Weights, Tensor, Tensor]:
    """A network with a batch far from its predictions, so that activities have far to go."""
    net = MLP(6, 5, 3, 4, act_fn, Parameterisation.sp, skips)
    weights = draw_weights(net, Init.one_over_N, [1], dtype=torch.float64)
    rng = torch.Generator().manual_seed(2)
    x, y = (scale * torch.randn(8, n, dtype=torch.float64, generator=rng) for n in (6, 4))
    return net, weights, x, y


@pytest.mark.parametrize("skips", [False, True])
def test_linear_networks_have_the_exact_equilibrium(skips: bool) -> None:
    net, weights, x, y = task("linear", skips)
    found, exact = find_equilibrium(net, weights, x, y, OPTIONS), equilibrium(net, weights, x, y)
    torch.testing.assert_close(found.z, exact.z[0], rtol=0, atol=1e-7)
    assert found.energy == pytest.approx(exact.energy.item(), rel=1e-12)


@pytest.mark.parametrize("scale", [0.3, 3.0])
@pytest.mark.parametrize("skips", [False, True])
def test_tanh_networks_end_in_a_minimum_below_the_start(skips: bool, scale: float) -> None:
    net, weights, x, y = task("tanh", skips, scale)
    found = find_equilibrium(net, weights, x, y, OPTIONS)
    z = found.z[None]
    norm = activity_gradient(net, weights, z, x, y).norm().item()
    assert norm <= 1e-9
    assert norm == pytest.approx(found.gradient_norm, rel=1e-3, abs=1e-14)
    assert found.energy == pytest.approx(energy(net, weights, z, x, y).item(), rel=1e-12)
    assert found.energy < energy(net, weights, feedforward(net, weights, x)[0], x, y).item()
    for sample in range(8):
        one = slice(sample, sample + 1)
        hessian = activity_hessian(net, weights, z[:, :, one], x[one], y[one]).dense()[0]
        assert torch.linalg.eigvalsh(hessian)[0] > 0


@pytest.mark.parametrize("skips", [False, True])
def test_relu_networks_end_where_no_activity_can_lower_the_energy_alone(skips: bool) -> None:
    """One-sided differences in every direction, also of activities that rest in their kink: some do."""
    net, weights, x, y = task("relu", skips, 2.0)
    found = find_equilibrium(net, weights, x, y, OPTIONS)
    assert found.gradient_norm <= 1e-9
    assert 0 < (found.z == 0).sum() < found.z.numel()
    step = 1e-5
    moved = found.z.repeat(2 * found.z.numel(), 1, 1, 1).reshape(2, found.z.numel(), *found.z.shape)
    moved.flatten(2)[0].diagonal().add_(step)
    moved.flatten(2)[1].diagonal().sub_(step)
    many = weights.members([0] * (2 * found.z.numel()))
    energies = energy(net, many, moved.flatten(0, 1), x, y)
    assert (energies >= found.energy - 1e-13).all()


def test_a_search_ends_after_the_products_it_may_take() -> None:
    net, weights, x, y = task("tanh", True, 3.0)
    found = find_equilibrium(net, weights, x, y, NewtonInference(tolerance=1e-12, max_products=5))
    assert found.gradient_norm > 1e-12
    assert 5 <= found.products < 5 + 50 + 30
