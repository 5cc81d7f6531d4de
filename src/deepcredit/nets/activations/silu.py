r"""The sigmoid linear unit, $\varphi(z) = z\,\sigma(z)$ with the logistic function σ.

Source: Elfwing, Uchibe & Doya 2018, *Sigmoid-weighted linear units*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcredit.nets.activations import Activation

if TYPE_CHECKING:
    from torch import Tensor


def value(z: Tensor, out: Tensor | None = None) -> Tensor:
    """z σ(z)."""
    import torch

    return torch.nn.functional.silu(z) if out is None else torch.ops.aten.silu.out(z, out=out)


def slope(z: Tensor, phi: Tensor) -> Tensor:
    """σ (1 + z (1 − σ))."""
    sigma = z.sigmoid()
    return sigma * (1 + z * (1 - sigma))


def second_derivative(z: Tensor, phi: Tensor) -> Tensor:
    """σ (1 − σ) (2 + z (1 − 2 σ))."""
    sigma = z.sigmoid()
    return sigma * (1 - sigma) * (2 + z * (1 - 2 * sigma))


def backward(z: Tensor, phi: Tensor, sensitivity: Tensor) -> Tensor:
    """In place, times the slope."""
    import torch

    return torch.ops.aten.silu_backward.grad_input(sensitivity, z, grad_input=sensitivity)


#: of E[φ(z)²] there is no closed form
RECORD = Activation(
    name="silu",
    value=value,
    slope=slope,
    second_derivative=second_derivative,
    backward=backward,
    gain=1.6765324703310913,
    seconds=5e-9,
)
