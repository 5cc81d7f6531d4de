"""The logistic function 1/(1 + e⁻ᶻ), whose derivatives follow from its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcredit.nets.activations import Activation

if TYPE_CHECKING:
    from torch import Tensor


def value(z: Tensor, out: Tensor | None = None) -> Tensor:
    """1 / (1 + e⁻ᶻ)."""
    import torch

    return torch.sigmoid(z, out=out)


def slope(z: Tensor, phi: Tensor) -> Tensor:
    """φ (1 − φ)."""
    return phi * (1 - phi)


def second_derivative(z: Tensor, phi: Tensor) -> Tensor:
    """φ (1 − φ) (1 − 2 φ)."""
    return phi * (1 - phi) * (1 - 2 * phi)


def backward(z: Tensor, phi: Tensor, sensitivity: Tensor) -> Tensor:
    """In place, times φ (1 − φ)."""
    import torch

    return torch.ops.aten.sigmoid_backward.grad_input(sensitivity, phi, grad_input=sensitivity)


RECORD = Activation(
    name="sigmoid",
    value=value,
    slope=slope,
    second_derivative=second_derivative,
    backward=backward,
    kernel="deepcredit.nets.compiled.sigmoid:Sigmoid",
    seconds=5e-10,
)
