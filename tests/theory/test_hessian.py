"""The activity Hessian against automatic differentiation, dense eigenvalues and closed forms."""

import itertools

import pytest
import torch
from torch import Tensor

from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP, Weights
from deepcredit.nets.names import Init, Parameterisation
from deepcredit.rules.predictive_coding.energy import energy
from deepcredit.theory.hessian import (
    Blocks,
    activity_hessian,
    condition_number,
    extreme_eigenvalues,
    hessian_at_start,
)


def sample(net: MLP, init: Init, scale: float = 1.0) -> tuple[Weights, Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(4)
    weights = draw_weights(net, init, [0, 1], dtype=torch.float64)
    z = scale * torch.randn(2, net.n_hidden, 1, net.width, dtype=torch.float64, generator=rng)
    x = torch.randn(2, 1, net.input_size, dtype=torch.float64, generator=rng)
    y = scale * torch.randn(2, 1, net.output_size, dtype=torch.float64, generator=rng)
    return weights, z, x, y


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    ("act_fn", "n_hidden", "skips"), list(itertools.product(ACTIVATIONS.names, [1, 2, 4], [False, True]))
)
def test_blocks_are_the_second_derivative_of_the_energy(act_fn: str, n_hidden: int, skips: bool, decay: float) -> None:
    net = MLP(6, 4, n_hidden, 3, act_fn, Parameterisation.ntp, skips)
    weights, z, x, y = sample(net, Init.standard_gauss)
    found = activity_hessian(net, weights, z, x, y, decay).dense()
    for member in range(2):
        one = slice(member, member + 1)

        def total(state: Tensor, one: slice = one) -> Tensor:
            return energy(net, weights.members(one), state, x[one], y[one], decay).sum()

        size = 4 * n_hidden
        expected = torch.autograd.functional.hessian(total, z[one]).reshape(size, size)
        torch.testing.assert_close(found[member], expected)


def test_product_with_a_vector_is_that_of_the_dense_matrix() -> None:
    net = MLP(6, 5, 4, 3, "tanh", Parameterisation.sp, True)
    weights, z, x, y = sample(net, Init.standard)
    blocks = activity_hessian(net, weights, z, x, y)
    v = torch.randn(2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    expected = (blocks.dense() @ v.reshape(2, 20, 1)).reshape(2, 4, 5)
    torch.testing.assert_close(blocks.multiply(v), expected)
    parts = blocks.block_diagonal().dense() + blocks.off_diagonal().dense()
    assert torch.equal(parts, blocks.dense())


CASES = {
    "linear": ("linear", Parameterisation.mupc, True, Init.standard_gauss, 1.0),
    "ill-conditioned": ("linear", Parameterisation.sp, True, Init.standard, 1.0),
    "relu": ("relu", Parameterisation.sp, False, Init.standard, 1.0),
    "indefinite": ("tanh", Parameterisation.ntp, False, Init.standard_gauss, 3.0),
}


@pytest.mark.parametrize("name", CASES)
def test_extreme_eigenvalues_are_those_of_the_dense_matrix(name: str) -> None:
    act_fn, parameterisation, skips, init, scale = CASES[name]
    net = MLP(30, 40, 12, 10, act_fn, parameterisation, skips)
    blocks = activity_hessian(net, *sample(net, init, scale)).member(1)
    values = torch.linalg.eigvalsh(blocks.dense()[0])
    assert (values[0] < 0).item() == (name == "indefinite")
    smallest, largest = extreme_eigenvalues(blocks)
    assert smallest == pytest.approx(values[0].item(), rel=1e-6)
    assert largest == pytest.approx(values[-1].item(), rel=1e-8)
    assert condition_number(blocks) == pytest.approx(abs(values[-1] / values[0]).item(), rel=1e-6)


@pytest.mark.parametrize(("n_hidden", "kappa"), [(2, 3.0), (4, 9.47), (8, 32.2), (16, 116.0), (32, 441.0)])
@pytest.mark.parametrize("width", [3, 12])
def test_condition_number_of_orthogonal_linear_networks(n_hidden: int, kappa: float, width: int) -> None:
    """Of every direction the Hessian is the second difference of a path of H nodes, whose eigenvalues are
    2 − 2 cos(πk/(H+1)): every width gives the same condition number.
    """
    net = MLP(width, width, n_hidden, width, "linear", Parameterisation.orthogonal)
    weights = draw_weights(net, Init.orthogonal, [0], dtype=torch.float64)
    x = torch.ones(1, width, dtype=torch.float64)
    found = condition_number(hessian_at_start(net, weights, x, x))
    angles = [torch.pi * k / (n_hidden + 1) for k in (1, n_hidden)]
    lowest, highest = (2 - 2 * torch.cos(torch.tensor(a, dtype=torch.float64)).item() for a in angles)
    assert found == pytest.approx(highest / lowest, rel=1e-9)
    assert found == pytest.approx(kappa, rel=5e-3)


def test_decay_shifts_every_eigenvalue() -> None:
    net = MLP(6, 5, 3, 2, "linear")
    weights, z, x, y = sample(net, Init.standard)
    without, decayed = (activity_hessian(net, weights, z, x, y, decay).dense() for decay in (0.0, 0.4))
    torch.testing.assert_close(torch.linalg.eigvalsh(decayed), torch.linalg.eigvalsh(without) + 0.4)


def test_a_matrix_of_blocks_knows_its_members() -> None:
    blocks = Blocks(torch.arange(16.0).reshape(2, 2, 2, 2), torch.zeros(2, 1, 2, 2))
    assert torch.equal(blocks.member(1).dense()[0], blocks.dense()[1])
