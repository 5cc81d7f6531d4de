r"""Terms of an objective that depend on the weights alone, and their gradients by hand.

$$\frac{\lambda}{2}\sum_l\|W_l\|_F^2 + \frac{\sigma}{2}\sum_l\|W_l^\top W_l - I\|_F^2$$

with weight decay λ and spectral penalty σ. Shapes: E members.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepcredit.nets.mlp import Weights


@dataclass(frozen=True)
class Penalties:
    """Terms of the energy that depend on the weights alone."""

    weight_decay: float = 0.0
    spectral_penalty: float = 0.0


NO_PENALTIES = Penalties()


def penalty(weights: Weights, penalties: Penalties) -> Tensor:
    """The terms of the energy in the weights alone, [E]."""
    total = weights.w_out.new_zeros(weights.n_members)
    if penalties.weight_decay:
        total = total + penalties.weight_decay / 2 * sum(w.square().flatten(1).sum(1) for w in weights)
    if penalties.spectral_penalty:
        total = total + penalties.spectral_penalty / 2 * sum(
            _gram_error(w).square().sum((1, 2)) for w in weights.layers()
        )
    return total


def penalty_gradient(w: Tensor, penalties: Penalties) -> Tensor:
    r"""$\lambda W + 2\sigma W(W^\top W - I)$ for a stack of matrices, [..., out, in]."""
    gradient = penalties.weight_decay * w
    if penalties.spectral_penalty:
        gradient = gradient + 2 * penalties.spectral_penalty * (w @ _gram_error(w))
    return gradient


def _gram_error(w: Tensor) -> Tensor:
    return w.mT @ w - torch.eye(w.shape[-1], dtype=w.dtype, device=w.device)
