r"""A linear network with one hidden layer on one-hot inputs, many members at once, and its gradient descent.

With the inputs an identity matrix the network is the product W_2 W_1, trained on the mean over all entries of
(W_2 W_1 − Yᵀ)². Source: Saxe, McClelland & Ganguli 2013/2019; set-up of the Neuromatch tutorial.

Descent never leaves the span of the columns of the initial W_2 and of Yᵀ, since every update of W_2 is a combination of
columns of the error. In an orthonormal basis Q of that span, of at most N + P dimensions however many outputs there
are, W_2 = Q w_2 and the descent on w_2 is the same descent: inner products, loss and singular values do not change.

Shapes: E members, P items (inputs), N width, K outputs, R dimensions of the span.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Weights(NamedTuple):
    """`w_in` W_1 [E,N,P] and `w_out` W_2 [E,R,N], written in a basis of R directions of the outputs."""

    w_in: Tensor
    w_out: Tensor

    def product(self) -> Tensor:
        """W_2 W_1 [E,R,P]."""
        return self.w_out @ self.w_in


def draw_linear(generator: torch.Generator, n_out: int, n_in: int) -> Tensor:
    """A matrix [n_out, n_in] with the framework's default initialisation, U(−1/√n_in, 1/√n_in), in float32."""
    bound = n_in**-0.5
    return torch.empty(n_out, n_in).uniform_(-bound, bound, generator=generator)


def draw_standard(generator: torch.Generator, n_items: int, width: int, n_outputs: int) -> tuple[Tensor, Tensor]:
    """W_1 [N,P] and W_2 [K,N] of a network with γ = 1: N(0, 1/(in + out)), in float64.

    As in the source both layers first draw the default initialisation that the normal one replaces, so that the same
    seed gives the same weights.
    """
    shapes = ((width, n_items), (n_outputs, width))
    for shape in shapes:
        draw_linear(generator, *shape)
    w_in, w_out = (torch.empty(shape).normal_(0.0, sum(shape) ** -0.5, generator=generator) for shape in shapes)
    return w_in.double(), w_out.double()


def span(w_out: Tensor, targets: Tensor) -> Tensor:
    """Orthonormal basis Q [K,R] of the columns of W_2 [K,N] and of the targets Yᵀ [K,P], both of any scale."""
    columns = torch.cat([targets, w_out], dim=1)
    return torch.linalg.qr(columns / columns.norm(dim=0)).Q


def descend(weights: Weights, error: Tensor, lr: Tensor, n_entries: int) -> Weights:
    """One step of gradient descent with rates `lr` [E] on Σ error² / n_entries, `error` = W_2 W_1 − Yᵀ [E,R,P]."""
    rate = (2 * lr / n_entries)[:, None, None]
    return Weights(
        weights.w_in - rate * (weights.w_out.mT @ error),
        weights.w_out - rate * (error @ weights.w_in.mT),
    )


def singular_values(matrices: Tensor) -> Tensor:
    """Singular values, largest first, of matrices [E,R,P]; NaN where a matrix is not finite. [E, min(R,P)]."""
    finite = matrices.isfinite().all(-1).all(-1)
    values = matrices.new_full((len(matrices), min(matrices.shape[-2:])), torch.nan)
    values[finite] = torch.linalg.svdvals(matrices[finite])
    return values
