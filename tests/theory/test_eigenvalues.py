"""Extreme eigenvalues without a dense matrix, numerical blocks, closed form: against dense solvers and more digits."""

import itertools

import mpmath
import pytest
import torch
from torch import Tensor

from deepcredit.nets.init import Stream, draw_weights, generator
from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.nets.names import Init, Parameterisation
from deepcredit.theory import hessian
from deepcredit.theory.hessian import (
    Blocks,
    activity_hessian,
    extreme_eigenvalues,
    factorised,
    hessian_at_start,
    linear_hessian,
    numerical_hessian,
    product,
    spectrum,
)
from deepcredit.theory.lanczos import extremes

SCALINGS = {
    "sp": (Parameterisation.sp, Init.standard),
    "sp-gauss": (Parameterisation.sp, Init.standard_gauss),
    "sp-one-over-N": (Parameterisation.sp, Init.one_over_N),
    "orthogonal": (Parameterisation.orthogonal, Init.orthogonal),
    "ntp": (Parameterisation.ntp, Init.standard_gauss),
    "mupc": (Parameterisation.mupc, Init.standard_gauss),
}
ACT_FNS = ("linear", "tanh", "relu")


def drawn(net: MLP, init: Init) -> tuple[Weights, Tensor]:
    """One member's weights, and a sample near one as in the figures."""
    weights = draw_weights(net, init, [3], dtype=torch.float64)
    noise = torch.randn(1, net.input_size, dtype=torch.float64, generator=generator(3, Stream.data))
    return weights, 1 + 0.1 * noise


def at_start(act_fn: str, scaling: str, skips: bool, width: int, depth: int, decay: float = 0.0) -> Blocks:
    parameterisation, init = SCALINGS[scaling]
    net = MLP(width, width, depth, width, act_fn, parameterisation, skips)
    weights, x = drawn(net, init)
    return hessian_at_start(net, weights, x, x, decay)


GRID = list(itertools.product(ACT_FNS, SCALINGS, [False, True], [2, 7, 16]))


@pytest.mark.parametrize(("act_fn", "scaling", "skips", "depth"), GRID, ids=str)
def test_extremes_without_a_dense_matrix_are_those_of_the_dense_matrix(
    act_fn: str, scaling: str, skips: bool, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as a dense solver can say: to its rounding error of 1e-14 of the largest."""
    blocks = at_start(act_fn, scaling, skips, 12, depth)
    values = torch.linalg.eigvalsh(blocks.dense()[0])
    rounding = 1e-14 * values.abs().max().item()
    monkeypatch.setattr(hessian, "DENSE_SIZE", 0)
    smallest, largest = extreme_eigenvalues(blocks)
    assert largest == pytest.approx(values[-1].item(), rel=1e-6)
    assert smallest == pytest.approx(values[0].item(), rel=1e-6, abs=rounding)


def test_the_grid_has_indefinite_hessians_and_badly_conditioned_ones() -> None:
    extremes_ = [extreme_eigenvalues(at_start(*case[:3], 12, case[3])) for case in GRID]
    assert sum(smallest < 0 for smallest, _ in extremes_) >= 5
    assert max(largest / smallest for smallest, largest in extremes_ if smallest > 0) > 1e6


@pytest.mark.parametrize("case", [("tanh", "sp", True), ("linear", "mupc", True), ("relu", "sp", False)])
def test_extremes_of_networks_beyond_the_dense_size(case: tuple[str, str, bool]) -> None:
    blocks = at_start(*case, width=40, depth=24)
    assert hessian.DENSE_SIZE < 40 * 24
    values = torch.linalg.eigvalsh(blocks.dense()[0])
    smallest, largest = extreme_eigenvalues(blocks)
    assert largest == pytest.approx(values[-1].item(), rel=1e-6)
    assert smallest == pytest.approx(values[0].item(), rel=1e-6)


@pytest.mark.parametrize("act_fn", ["linear", "relu"])
def test_smallest_eigenvalue_at_a_condition_number_above_1e9(act_fn: str) -> None:
    """Against eigenvalues with 80 digits: activities grow from layer to layer, and no output holds them."""
    net = MLP(2, 2, 8, 2, act_fn, Parameterisation.sp, True)
    weights, x = drawn(net, Init.standard_gauss)
    weights = Weights(weights.w_in.abs(), 3 * weights.w_hid.abs(), torch.zeros_like(weights.w_out))
    blocks = hessian_at_start(net, weights, x, x)
    with mpmath.workdps(80):
        exact = mpmath.eigsy(_many_digits(net, weights), eigvals_only=True)
        assert exact[len(exact) - 1] / exact[0] > 1e9
        smallest, largest = extreme_eigenvalues(blocks)
        assert float(smallest / exact[0]) == pytest.approx(1, rel=1e-4)
        assert float(largest / exact[len(exact) - 1]) == pytest.approx(1, rel=1e-6)


def _many_digits(net: MLP, weights: Weights) -> mpmath.matrix:
    """I + JᵀJ and −J of positive weights and states, where relu is linear, without float64's rounding of the sums."""
    width, depth = net.width, net.n_hidden
    matrix = mpmath.eye(width * depth)
    jacobians = [w[0].tolist() for w in weights.layers()[1:]]
    for layer, w in enumerate(jacobians):
        jacobian = mpmath.matrix(w) + (mpmath.eye(width) if layer < depth - 1 else mpmath.zeros(width))
        gram = jacobian.T * jacobian
        for i, j in itertools.product(range(width), repeat=2):
            matrix[layer * width + i, layer * width + j] += gram[i, j]
            if layer < depth - 1:
                matrix[(layer + 1) * width + i, layer * width + j] = -jacobian[i, j]
                matrix[layer * width + j, (layer + 1) * width + i] = -jacobian[i, j]
    return matrix


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(("act_fn", "depth", "skips"), list(itertools.product(ACT_FNS, [1, 2, 5], [False, True])))
def test_numerical_blocks_are_those_of_the_formula(act_fn: str, depth: int, skips: bool, decay: float) -> None:
    net = MLP(6, 4, depth, 3, act_fn, Parameterisation.ntp, skips)
    rng = torch.Generator().manual_seed(4)
    weights = draw_weights(net, Init.standard_gauss, [0, 1], dtype=torch.float64)
    z = torch.randn(2, depth, 1, 4, dtype=torch.float64, generator=rng)
    x, y = (torch.randn(2, 1, n, dtype=torch.float64, generator=rng) for n in (6, 3))
    numerical, formula = (f(net, weights, z, x, y, decay) for f in (numerical_hessian, activity_hessian))
    torch.testing.assert_close(numerical.dense(), formula.dense(), rtol=1e-9, atol=1e-12)
    v = torch.randn(2, depth, 3, 4, dtype=torch.float64, generator=rng)
    found = product(net, weights, z, x, y, v, decay)
    for k in range(3):
        torch.testing.assert_close(found[:, :, k], formula.multiply(v[:, :, k]), rtol=1e-9, atol=1e-12)


def test_products_of_dead_relu_units_use_the_slope_from_the_left() -> None:
    net = MLP(3, 3, 2, 3, "relu")
    weights = Weights.from_layers([-torch.eye(3).double()[None]] * 3)
    x = torch.ones(1, 3, dtype=torch.float64)
    z, _ = feedforward(net, weights, x)
    assert (z[0, 1] == 0).all()
    torch.testing.assert_close(numerical_hessian(net, weights, z, x, x).dense()[0], torch.eye(6).double())


@pytest.mark.parametrize("skips", [False, True])
def test_closed_form_of_linear_networks_holds_at_all_activities(skips: bool) -> None:
    net = MLP(6, 4, 5, 3, "linear", Parameterisation.mupc, skips)
    weights = draw_weights(net, Init.standard_gauss, [0, 1], dtype=torch.float64)
    rng = torch.Generator().manual_seed(1)
    z, x, y = (torch.randn(2, *shape, dtype=torch.float64, generator=rng) for shape in ((5, 1, 4), (1, 6), (1, 3)))
    closed = linear_hessian(net, weights, 0.2)
    torch.testing.assert_close(closed.dense(), activity_hessian(net, weights, z, x, y, 0.2).dense())
    parts = [part.member(1) for part in (closed.block_diagonal(), closed.off_diagonal())]
    for part in parts:
        torch.testing.assert_close(spectrum(part), torch.linalg.eigvalsh(part.dense()[0]), rtol=0, atol=1e-12)
    torch.testing.assert_close(spectrum(parts[1]), -spectrum(parts[1]).flip(0), rtol=0, atol=1e-12)


def test_closed_form_of_a_network_that_is_not_linear_is_refused() -> None:
    net = MLP(2, 2, 2, 2, "tanh")
    with pytest.raises(ValueError, match="tanh"):
        linear_hessian(net, draw_weights(net, Init.standard, [0]))


def test_a_factor_solves_the_dense_system_and_none_exists_below_the_spectrum() -> None:
    blocks = at_start("tanh", "sp", True, 6, 8)
    dense = blocks.dense()[0]
    lowest = torch.linalg.eigvalsh(dense)[0].item()
    v = torch.randn(1, 8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    factor = factorised(blocks, lowest - 0.1)
    assert factor is not None
    shifted = dense - (lowest - 0.1) * torch.eye(48, dtype=torch.float64)
    torch.testing.assert_close(factor.solve(v).flatten(), torch.linalg.solve(shifted, v.flatten()))
    assert factorised(blocks, lowest + 0.1) is None


def test_eigenvalues_of_a_diverged_network_are_not_a_number() -> None:
    blocks = at_start("linear", "sp", False, 3, 4)
    blocks.diagonal[0, 1, 0, 0] = torch.inf
    assert all(value != value for value in extreme_eigenvalues(blocks))


@pytest.mark.parametrize("values", [[2.0] * 9, [1.0, 1.0, 3.0], [-5.0], [0.0, 0.0], list(range(-40, 60))], ids=str)
def test_lanczos_finds_the_ends_of_a_known_spectrum(values: list[float]) -> None:
    diagonal = torch.tensor(values, dtype=torch.float64)
    smallest, largest = extremes(lambda v: diagonal * v, diagonal, len(values), 1e-10)
    assert largest.value == pytest.approx(max(values), rel=1e-9, abs=1e-12)
    assert min(values) <= smallest.value + 1e-12
    assert smallest.value - smallest.error <= min(values) + 1e-9
