"""The equilibrium of linear networks against a dense solve, and against inference run to its end."""

import itertools

import pytest
import torch

from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP, Weights
from deepcredit.nets.names import Init, Parameterisation
from deepcredit.rules.predictive_coding.energy import activity_gradient, energy
from deepcredit.rules.predictive_coding.equilibrium import equilibrium
from deepcredit.rules.predictive_coding.inference import infer
from deepcredit.rules.predictive_coding.options import Inference


def linear(
    n_hidden: int, parameterisation: Parameterisation, skips: bool
) -> tuple[MLP, Weights, torch.Tensor, torch.Tensor]:
    net = MLP(6, 5, n_hidden, 3, "linear", parameterisation, skips)
    rng = torch.Generator().manual_seed(2)
    weights = draw_weights(net, Init.standard_gauss, [0, 1], dtype=torch.float64)
    return net, weights, *(torch.randn(2, 4, n, dtype=torch.float64, generator=rng) for n in (6, 3))


CASES = list(itertools.product([0, 1, 2, 6], [Parameterisation.sp, Parameterisation.mupc], [False, True]))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equilibrium_solves_the_dense_system(case: tuple[int, Parameterisation, bool]) -> None:
    """F is quadratic in z: z* = z − H⁻¹ ∂F/∂z from anywhere, with the Hessian H of automatic differentiation."""
    net, weights, x, y = linear(*case)
    found = equilibrium(net, weights, x, y)

    def total(z: torch.Tensor) -> torch.Tensor:
        return energy(net, weights, z, x, y).sum()

    start = torch.zeros_like(found.z)
    if start.numel():
        hessian = torch.autograd.functional.hessian(total, start).reshape(start.numel(), start.numel())
        gradient = activity_gradient(net, weights, start, x, y).flatten()
        expected = -torch.linalg.solve(hessian, gradient).reshape(start.shape)
        torch.testing.assert_close(found.z, expected, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(found.energy, energy(net, weights, found.z, x, y))


def test_inference_runs_to_the_equilibrium() -> None:
    net, weights, x, y = linear(3, Parameterisation.mupc, True)
    options = Inference(steps=20_000, learning_rate=1.0, tolerance=1e-12)
    inferred = infer(net, weights, x, y, options)
    assert (inferred.steps < 20_000).all()
    torch.testing.assert_close(inferred.z, equilibrium(net, weights, x, y).z, rtol=1e-9, atol=1e-10)


def test_a_network_that_is_not_linear_is_refused() -> None:
    _, weights, x, y = linear(2, Parameterisation.sp, False)
    with pytest.raises(ValueError, match="tanh"):
        equilibrium(MLP(6, 5, 2, 3, "tanh"), weights, x, y)
