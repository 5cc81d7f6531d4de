r"""The Gaussian error linear unit in its exact form, $\varphi(z) = z\,\Phi(z)$ with the normal distribution Φ.

Source: Hendrycks & Gimpel 2016, *Gaussian error linear units*.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from deepcredit.nets.activations import Activation

if TYPE_CHECKING:
    from torch import Tensor


def value(z: Tensor, out: Tensor | None = None) -> Tensor:
    """z Φ(z)."""
    import torch

    return torch.nn.functional.gelu(z) if out is None else torch.ops.aten.gelu.out(z, out=out)


def slope(z: Tensor, phi: Tensor) -> Tensor:
    """Φ(z) + z p(z) with the normal density p."""
    return (1 + (z * math.sqrt(0.5)).erf()) / 2 + z * _density(z)


def second_derivative(z: Tensor, phi: Tensor) -> Tensor:
    """(2 − z²) p(z)."""
    return (2 - z.square()) * _density(z)


def backward(z: Tensor, phi: Tensor, sensitivity: Tensor) -> Tensor:
    """In place, times the slope."""
    import torch

    return torch.ops.aten.gelu_backward.grad_input(sensitivity, z, grad_input=sensitivity)


def _density(z: Tensor) -> Tensor:
    return (z.square() / -2).exp() / math.sqrt(2 * math.pi)


RECORD = Activation(
    name="gelu",
    value=value,
    slope=slope,
    second_derivative=second_derivative,
    backward=backward,
    gain=(1 / 3 + 1 / (2 * math.sqrt(3) * math.pi)) ** -0.5,
    seconds=6e-9,
)
