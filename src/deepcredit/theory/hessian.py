r"""The Hessian of the predictive-coding energy in the activities: block-tridiagonal, never built densely unless asked.

Shapes: E members, H hidden layers, L = H + 1, N width, D input, K output; one sample (B = 1), so no 1/B appears.

With the Jacobians $J_{l+1} = a_{l+1} W_{l+1}\operatorname{diag}\varphi'(z_l)\;(+ I\text{ with skips})$ and errors e,
the block of layers (l, l) is

$$I(1+\alpha) + J_{l+1}^\top J_{l+1} - \operatorname{diag}\big(a_{l+1}\varphi''(z_l)\circ W_{l+1}^\top e_{l+1}\big)$$

and the block (l+1, l) is $-J_{l+1}$ (for linear networks: Innocenti, Achour & Buckley 2025, μPC, the appendix on the
activity Hessian). The diagonal in φ″ can make it indefinite, as under tanh.

**Extreme eigenvalues.** The largest comes from Lanczos' method on products with the blocks, and the smallest with it
where the spectrum is benign. Elsewhere the smallest comes from Lanczos on products with the inverse of H − σI, which a
block factorisation gives. Like a dense solver's, a λ_min below 1e-16 of λ_max is rounding error.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.rules.options import SteppedInference
from deepcredit.rules.predictive_coding.energy import activity_gradient, errors
from deepcredit.theory.lanczos import End, extremes

#: below this size a dense eigensolver is as fast
DENSE_SIZE = 768
#: error of a dense eigensolver's values, relative to the largest
ROUNDING = 1e-14
#: relative accuracy asked of an eigenvalue
TOLERANCE = 1e-8


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


# --- the blocks ---------------------------------------------------------------------------------------------------


def activity_hessian(
    net: MLP, weights: Weights, z: Tensor, x: Tensor, y: Tensor, activity_decay: float = 0.0
) -> Blocks:
    """∂²F/∂z² at `z` [E, H, 1, N] of one sample, `x` [E, 1, D] or [1, D] and `y` [E, 1, K] or [1, K], in float64."""
    weights, z, x, y = _double(weights, z, x, y)
    state = z.squeeze(2)
    phi = net.activation.value(state)
    hidden, last = jacobians(net, weights, net.activation.slope(state, phi))
    error = errors(net, weights, z, x, y)
    from_hidden = net.a_hid * (error.hidden[:, 1:] @ weights.w_hid)
    from_output = net.a_out * (error.output @ weights.w_out)
    sent = torch.cat([from_hidden, from_output.unsqueeze(1)], 1).squeeze(2)
    return _assembled(hidden, last, 1 + activity_decay - net.activation.bend(state, phi) * sent)


def hessian_at_start(net: MLP, weights: Weights, x: Tensor, y: Tensor, activity_decay: float = 0.0) -> Blocks:
    """`activity_hessian` at the feed-forward values."""
    weights, x, y = _double(weights, x, y)
    z, _ = feedforward(net, weights, x)
    return activity_hessian(net, weights, z, x, y, activity_decay)


def linear_hessian(net: MLP, weights: Weights, activity_decay: float = 0.0) -> Blocks:
    """The Hessian of linear networks, the same at all activities; D and O are parts of it. Refuses other networks."""
    if not net.activation.linear:
        raise ValueError(f"only a linear network's Hessian follows from its weights, not one with {net.act_fn}")
    (weights,) = _double(weights)
    slope = weights.w_out.new_ones(weights.n_members, net.n_hidden, net.width)
    return _assembled(*jacobians(net, weights, slope), torch.full_like(slope, 1 + activity_decay))


def jacobians(net: MLP, weights: Weights, slope: Tensor) -> tuple[Tensor, Tensor]:
    """$J_2 … J_H$, [E, H-1, N, N], and $J_L$, [E, K, N], for the slopes φ′(z), [E, H, N]."""
    hidden = net.a_hid * weights.w_hid * slope[:, :-1].unsqueeze(-2)
    if net.skips:
        hidden.diagonal(dim1=-2, dim2=-1).add_(1)
    return hidden, net.a_out * weights.w_out * slope[:, -1].unsqueeze(-2)


def _assembled(hidden: Tensor, last: Tensor, on_diagonal: Tensor) -> Blocks:
    gram = torch.cat([hidden.mT @ hidden, (last.mT @ last).unsqueeze(1)], 1)
    gram.diagonal(dim1=-2, dim2=-1).add_(on_diagonal)
    return Blocks(gram, -hidden)


def _double(weights: Weights, *tensors: Tensor) -> tuple:
    return weights.map(Tensor.double), *(t.double() for t in tensors)


# --- the same without its formula ---------------------------------------------------------------------------------


def product(
    net: MLP, weights: Weights, z: Tensor, x: Tensor, y: Tensor, v: Tensor, activity_decay: float = 0.0
) -> Tensor:
    """Hessian-vector products with `v` [E, H, M, N], M vectors a member, by automatic differentiation of the gradient.

    `z` [E, H, 1, N], `x` [E, 1, D] or [1, D] and `y` likewise, all in the precision wanted. Needs no block.
    At the kink of relu the slope is that from the left, 0, as everywhere in the package.
    """
    n_members, n_vectors = weights.n_members, v.shape[2]
    x, y = (t.expand(n_members, n_vectors, -1) for t in (x, y))
    z = torch.where(z == 0, -torch.finfo(z.dtype).tiny, z)
    with torch.enable_grad():
        state = z.repeat(1, 1, n_vectors, 1).requires_grad_()
        gradient = n_vectors * activity_gradient(net, weights, state, x, y, activity_decay)
        return torch.autograd.grad(gradient, state, v)[0]


def numerical_hessian(
    net: MLP, weights: Weights, z: Tensor, x: Tensor, y: Tensor, activity_decay: float = 0.0
) -> Blocks:
    """The blocks of `activity_hessian`, read off 3N products: layers three apart do not meet in the matrix.

    Uses neither the formula of the blocks nor that of φ″.
    """
    weights, z, x, y = _double(weights, z, x, y)
    n_members, n_hidden, _, width = z.shape
    diagonal = z.new_empty(n_members, n_hidden, width, width)
    lower = z.new_empty(n_members, n_hidden - 1, width, width)
    identity = torch.eye(width, dtype=z.dtype, device=z.device)
    for first in range(min(3, n_hidden)):
        probe = z.new_zeros(n_members, n_hidden, width, width)
        probe[:, first::3] = identity
        columns = product(net, weights, z, x, y, probe, activity_decay).mT
        diagonal[:, first::3] = columns[:, first::3]
        lower[:, first::3] = columns[:, first + 1 :: 3]
    return Blocks(diagonal, lower)


# --- eigenvalues --------------------------------------------------------------------------------------------------


def spectrum(matrix: Blocks) -> Tensor:
    """All eigenvalues of one member's matrix, ascending, [HN]. Dense, but for a block-diagonal matrix."""
    if not matrix.lower.any():
        return torch.linalg.eigvalsh(matrix.diagonal[0]).flatten().sort().values
    return torch.linalg.eigvalsh(matrix.dense()[0])


def condition_number(matrix: Blocks, tolerance: float = TOLERANCE) -> float:
    """κ = |λ_max| / |λ_min| of the signed extreme eigenvalues of one member's matrix."""
    smallest, largest = extreme_eigenvalues(matrix, tolerance)
    return abs(largest) / abs(smallest) if smallest else float("inf")


def condition_number_at(
    net: MLP, weights: Weights, z: Tensor, x: Tensor, y: Tensor, options: SteppedInference
) -> float:
    """That of the activity Hessian of one member that infers with these options, as `activity_hessian` takes it."""
    (decay,) = options.activity_decay
    return condition_number(activity_hessian(net, weights, z, x, y, decay))


def extreme_eigenvalues(matrix: Blocks, tolerance: float = TOLERANCE) -> tuple[float, float]:
    """The smallest and the largest eigenvalue, with their signs, of one member's matrix; NaN where it is not finite.

    `tolerance` is relative to each, as far as rounding errors of the size of 1e-16 λ_max allow it.
    """
    if not all(bool(part.isfinite().all()) for part in (matrix.diagonal, matrix.lower)):
        return float("nan"), float("nan")
    _, n_blocks, width, _ = matrix.diagonal.shape
    if n_blocks * width <= DENSE_SIZE or not matrix.lower.any():
        values = spectrum(matrix)
        largest = values[-1].item()
        smallest = End(values[0].item(), ROUNDING * abs(largest))
    else:
        smallest, (largest, _) = extremes(_flat(matrix, matrix.multiply), matrix.diagonal, n_blocks * width, tolerance)
    if not matrix.diagonal.any():  # layers are odd or even, and changing the sign of one kind changes that of O
        return -largest, largest
    if smallest.within(tolerance):
        return smallest.value, largest
    return _smallest(matrix, smallest, tolerance), largest


def _smallest(matrix: Blocks, estimate: End, tolerance: float) -> float:
    """λ_min, given an estimate of it from above: σ + 1/μ for the largest eigenvalue μ of (H − σI)⁻¹.

    σ is 0 if H is positive definite, else it moves from the estimate down until H − σI is: the nearer it stays, the
    faster.
    """
    shift, factor = 0.0, factorised(matrix, 0.0)
    margin = max(2 * estimate.error, 1e-3 * abs(estimate.value))
    while factor is None:
        shift = estimate.value - margin
        factor, margin = factorised(matrix, shift), 4 * margin
    _, n_blocks, width, _ = matrix.diagonal.shape
    _, (largest, _) = extremes(_flat(matrix, factor.solve), matrix.diagonal, n_blocks * width, tolerance)
    return shift + 1 / largest


def _flat(matrix: Blocks, function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """`function` of vectors [1, H, N] as one of vectors [HN]."""
    shape = (1, *matrix.diagonal.shape[1:3])
    return lambda v: function(v.reshape(shape)).reshape(-1)


@dataclass(frozen=True)
class Factor:
    r"""Block elimination of one member's positive definite matrix from the top layer down.

    With $S_H = H_{H,H}$ and $S_l = H_{l,l} - H_{l+1,l}^\top S_{l+1}^{-1} H_{l+1,l}$.
    """

    inverse: Tensor  #: $S_1^{-1} … S_H^{-1}$, [H, N, N]
    passed_on: Tensor  #: $S_{l+1}^{-1} H_{l+1,l}$, [H-1, N, N]

    def solve(self, v: Tensor) -> Tensor:
        """The solution for a right-hand side `v` [1, H, N]."""
        rest = v[0].clone()
        for layer in reversed(range(len(self.passed_on))):
            rest[layer].addmv_(self.passed_on[layer].mT, rest[layer + 1], alpha=-1)
        solution = (self.inverse @ rest.unsqueeze(-1)).squeeze(-1)
        for layer in range(len(self.passed_on)):
            solution[layer + 1].addmv_(self.passed_on[layer], solution[layer], alpha=-1)
        return solution.unsqueeze(0)


def factorised(matrix: Blocks, shift: float) -> Factor | None:
    """Factor of one member's `matrix` − `shift` I, or None where that is not positive definite."""
    diagonal, lower = matrix.diagonal[0], matrix.lower[0]
    shifted = -shift * torch.eye(diagonal.shape[-1], dtype=diagonal.dtype, device=diagonal.device)
    inverse, passed_on = torch.empty_like(diagonal), torch.empty_like(lower)
    pivot = diagonal[-1] + shifted
    for layer in reversed(range(len(diagonal))):
        root, failed = torch.linalg.cholesky_ex(pivot)
        if failed:
            return None
        inverse[layer] = torch.cholesky_inverse(root)
        if layer:
            passed_on[layer - 1] = inverse[layer] @ lower[layer - 1]
            pivot = diagonal[layer - 1] + shifted - lower[layer - 1].mT @ passed_on[layer - 1]
    return Factor(inverse, passed_on)
