r"""The Hessian of the predictive-coding energy in the activities: block-tridiagonal, never built densely unless asked.

Shapes: E members, H hidden layers, N width, D input, K output; one sample (B = 1), so no 1/B appears.

With the Jacobians $J_{l+1} = a_{l+1} W_{l+1}\operatorname{diag}\varphi'(z_l)\;(+ I\text{ with skips})$ and errors e,
the block of layers (l, l) is

$$I(1+\alpha) + J_{l+1}^\top J_{l+1} - \operatorname{diag}\big(a_{l+1}\varphi''(z_l)\circ W_{l+1}^\top e_{l+1}\big)$$

and the block (l+1, l) is $-J_{l+1}$ (for linear networks: Innocenti, Achour & Buckley 2025, μPC, the appendix on the
activity Hessian). The diagonal in φ″ can make it indefinite, as under tanh.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from deepcredit.nets.activations import activate, derivative, second_derivative
from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.rules.predictive_coding.energy import errors

#: below this size a dense eigensolver is as fast
DENSE_SIZE = 256
#: relative accuracy asked of an eigenvalue
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Blocks:
    """A symmetric block-tridiagonal matrix of size HN for every member."""

    diagonal: Tensor  #: [E, H, N, N]
    lower: Tensor  #: [E, H-1, N, N], block (l+1, l)

    def dense(self) -> Tensor:
        """The whole matrix, [E, HN, HN]."""
        n_members, n_blocks, width, _ = self.diagonal.shape
        whole = self.diagonal.new_zeros(n_members, n_blocks, width, n_blocks, width)
        for block in range(n_blocks):
            whole[:, block, :, block] = self.diagonal[:, block]
        for block in range(n_blocks - 1):
            whole[:, block + 1, :, block] = self.lower[:, block]
            whole[:, block, :, block + 1] = self.lower[:, block].mT
        return whole.reshape(n_members, n_blocks * width, n_blocks * width)

    def block_diagonal(self) -> "Blocks":
        """D: the same without the blocks off the diagonal."""
        return Blocks(self.diagonal, torch.zeros_like(self.lower))

    def off_diagonal(self) -> "Blocks":
        """O: the blocks off the diagonal alone, so that the matrix is D + O."""
        return Blocks(torch.zeros_like(self.diagonal), self.lower)

    def member(self, index: int) -> "Blocks":
        """One member's matrix, as a stack of one."""
        return Blocks(self.diagonal[index : index + 1], self.lower[index : index + 1])

    def multiply(self, v: Tensor) -> Tensor:
        """The product with `v` [E, H, N]."""
        product = (self.diagonal @ v.unsqueeze(-1)).squeeze(-1)
        product[:, 1:] += (self.lower @ v[:, :-1].unsqueeze(-1)).squeeze(-1)
        product[:, :-1] += (self.lower.mT @ v[:, 1:].unsqueeze(-1)).squeeze(-1)
        return product


def activity_hessian(
    net: MLP, weights: Weights, z: Tensor, x: Tensor, y: Tensor, activity_decay: float = 0.0
) -> Blocks:
    """∂²F/∂z² at `z` [E, H, 1, N] of one sample, `x` [E, 1, D] or [1, D] and `y` [E, 1, K] or [1, K], in float64."""
    weights = weights.map(Tensor.double)
    z, x, y = z.double(), x.double(), y.double()
    error = errors(net, weights, z, x, y)
    phi = activate(net.act_fn, z).squeeze(2)
    slope, curvature = derivative(net.act_fn, phi), second_derivative(net.act_fn, phi)
    between = net.a_hid * weights.w_hid
    last = net.a_out * weights.w_out
    sent = torch.cat([error.hidden[:, 1:] @ between, (error.output @ last).unsqueeze(1)], 1).squeeze(2)
    lower = between * slope[:, :-1].unsqueeze(-2)
    if net.skips:
        lower = lower + torch.eye(net.width, dtype=z.dtype, device=z.device)
    last = last * slope[:, -1].unsqueeze(-2)
    gram = torch.cat([lower.mT @ lower, (last.mT @ last).unsqueeze(1)], 1)
    gram.diagonal(dim1=-2, dim2=-1).add_(1 + activity_decay - curvature * sent)
    return Blocks(gram, -lower)


def hessian_at_start(net: MLP, weights: Weights, x: Tensor, y: Tensor, activity_decay: float = 0.0) -> Blocks:
    """`activity_hessian` at the feed-forward values."""
    weights = weights.map(Tensor.double)
    z, _ = feedforward(net, weights, x.double())
    return activity_hessian(net, weights, z, x, y, activity_decay)


class Factor:
    """Block Cholesky factorisation of one member's `matrix` − `shift` I, if that is positive definite."""

    def __init__(self, matrix: Blocks, shift: float) -> None:
        self.definite = True
        self._pivots: list[Tensor] = []
        self._below: list[Tensor] = []
        for layer, block in enumerate(matrix.diagonal[0]):
            pivot = block - shift * torch.eye(len(block), dtype=block.dtype, device=block.device)
            if layer:
                # the block below the pivot before, L_{l,l-1} = A_{l,l-1} L_{l-1,l-1}^{-T}
                above = self._pivots[-1]
                below = torch.linalg.solve_triangular(above, matrix.lower[0, layer - 1].mT, upper=False).mT
                self._below.append(below)
                pivot = pivot - below @ below.mT
            factor, info = torch.linalg.cholesky_ex(pivot)
            if int(info) != 0:
                self.definite = False
                return
            self._pivots.append(factor)

    def solve(self, v: Tensor) -> Tensor:
        """The solution for a right-hand side `v` [H, N]."""
        forward: list[Tensor] = []
        for layer, pivot in enumerate(self._pivots):
            rest = v[layer] - self._below[layer - 1] @ forward[-1] if layer else v[layer]
            forward.append(_solve_lower(pivot, rest))
        solution = [forward[-1]] * len(forward)
        for layer in reversed(range(len(forward))):
            rest = forward[layer]
            if layer + 1 < len(forward):
                rest = rest - self._below[layer].mT @ solution[layer + 1]
            solution[layer] = _solve_upper(self._pivots[layer].mT, rest)
        return torch.stack(solution)


def _solve_lower(factor: Tensor, v: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(factor, v.unsqueeze(-1), upper=False).squeeze(-1)


def _solve_upper(factor: Tensor, v: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(factor, v.unsqueeze(-1), upper=True).squeeze(-1)


def extreme_eigenvalues(matrix: Blocks) -> tuple[float, float]:
    """The smallest and the largest eigenvalue, with their signs, of one member's matrix.

    The largest by Lanczos iteration. The smallest by Lanczos iteration on the inverse of the matrix shifted to where it
    is positive definite: such a shift is the nearer to the smallest eigenvalue, the faster.
    """
    _, n_blocks, width, _ = matrix.diagonal.shape
    if n_blocks * width <= DENSE_SIZE:
        values = torch.linalg.eigvalsh(matrix.dense()[0])
        return values[0].item(), values[-1].item()
    largest = _lanczos(matrix, "LA", TOLERANCE)
    shift, factor = _definite_shift(matrix, largest)
    inverse = _operator(matrix, lambda v: factor.solve(v[0]).unsqueeze(0))
    start = _start_vector(inverse.shape[0])
    top = eigsh(inverse, k=1, which="LA", tol=TOLERANCE, v0=start, return_eigenvectors=False)[0]
    return shift + 1 / float(top), largest


def condition_number(matrix: Blocks) -> float:
    """κ = |λ_max| / |λ_min| of the signed extreme eigenvalues of one member's matrix."""
    smallest, largest = extreme_eigenvalues(matrix)
    return abs(largest) / abs(smallest)


def _definite_shift(matrix: Blocks, largest: float) -> tuple[float, Factor]:
    """A shift just below the smallest eigenvalue, and the factor there: 0 where the matrix is positive definite."""
    factor = Factor(matrix, 0.0)
    if factor.definite:
        return 0.0, factor
    estimate = _lanczos(matrix, "SA", 1e-3)
    gap = 0.01 * max(abs(estimate), 1e-6 * abs(largest))
    while not factor.definite:
        shift = estimate - gap
        factor, gap = Factor(matrix, shift), 4 * gap
    return shift, factor


def _lanczos(matrix: Blocks, which: str, tolerance: float) -> float:
    operator = _operator(matrix, matrix.multiply)
    start = _start_vector(operator.shape[0])
    return float(eigsh(operator, k=1, which=which, tol=tolerance, v0=start, return_eigenvectors=False)[0])


def _operator(matrix: Blocks, multiply) -> LinearOperator:
    _, n_blocks, width, _ = matrix.diagonal.shape
    device = matrix.diagonal.device

    def product(v: np.ndarray) -> np.ndarray:
        blocks = torch.from_numpy(np.ascontiguousarray(v)).to(device).reshape(1, n_blocks, width)
        return multiply(blocks).reshape(-1).cpu().numpy()

    size = n_blocks * width
    return LinearOperator((size, size), matvec=product, dtype=np.float64)


def _start_vector(size: int) -> np.ndarray:
    """A start that is the same in every call, so that the result is."""
    return np.random.default_rng(0).standard_normal(size)
