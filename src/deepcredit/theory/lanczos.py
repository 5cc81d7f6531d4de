r"""Lanczos' method for the extreme eigenvalues of a symmetric matrix that is known by its products with vectors.

With full reorthogonalisation (twice is enough: Parlett 1998, *The Symmetric Eigenvalue Problem*, chapters 6 and 13), so
that no eigenvalue shows up twice, and without restarts. The start vector is fixed, so results are reproducible.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

#: products between two looks at the estimates
STRIDE = 8


class End(NamedTuple):
    """An estimate of an extreme eigenvalue, from inside the spectrum, and how far it may be off."""

    value: float
    error: float

    def within(self, tolerance: float) -> bool:
        """Whether the estimate is good to `tolerance` relative to its modulus."""
        return self.error <= tolerance * abs(self.value)


def extremes(multiply: Callable[[Tensor], Tensor], like: Tensor, size: int, tolerance: float) -> tuple[End, End]:
    """Both ends (λ_min, λ_max) of the spectrum of `multiply`, v ↦ Av for v of [size].

    Stops when λ_max is good to `tolerance`; λ_min is then as good as its `error` says. Vectors have the precision and
    the device of `like`.
    """
    basis = like.new_empty(min(size, 8 * STRIDE), size)
    basis[0] = _start(size).to(like)
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    while True:
        step = len(diagonal)
        alpha, residual = _orthogonalised(multiply(basis[step]), basis[: step + 1])
        beta = float(residual.norm())
        diagonal.append(alpha)
        exhausted = step + 1 == size or beta <= 1e-14 * np.hypot(alpha, off_diagonal[-1] if off_diagonal else 0.0)
        if exhausted or (step + 1) % STRIDE == 0:
            largest = _largest(np.array(diagonal), np.array(off_diagonal), 0.0 if exhausted else beta)
            if exhausted or largest.within(tolerance):
                mirrored = _largest(-np.array(diagonal), np.array(off_diagonal), 0.0 if exhausted else beta)
                return End(-mirrored.value, mirrored.error), largest
        off_diagonal.append(beta)
        if step + 1 == len(basis):
            basis = torch.cat([basis, basis.new_empty(min(len(basis), size - len(basis)), size)])
        torch.div(residual, beta, out=basis[step + 1])


def _start(size: int) -> Tensor:
    start = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return start / start.norm()


def _orthogonalised(w: Tensor, basis: Tensor) -> tuple[float, Tensor]:
    """The coefficient of `w` on the last vector of `basis` [M, n], and `w` with its part along `basis` removed."""
    coefficients = basis @ w
    w = w - basis.mT @ coefficients
    again = basis @ w
    return float(coefficients[-1] + again[-1]), w - basis.mT @ again


def _largest(diagonal: np.ndarray, off_diagonal: np.ndarray, beta: float) -> End:
    """Largest Ritz value of the tridiagonal matrix.

    Its error is the residual, β times the last entry of the Ritz vector, or the square of that over the gap to the
    next Ritz value where this is smaller.
    """
    last = len(diagonal) - 1
    if last == 0:
        return End(float(diagonal[0]), beta)
    (second, first), vectors = eigh_tridiagonal(diagonal, off_diagonal, select="i", select_range=(last - 1, last))
    residual = beta * abs(vectors[-1, 1])
    gap = first - second
    return End(float(first), float(min(residual, residual**2 / gap) if gap > 0 else residual))
