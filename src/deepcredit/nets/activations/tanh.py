"""The hyperbolic tangent, whose derivatives follow from its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcredit.nets.activations import Activation

if TYPE_CHECKING:
    from torch import Tensor


def value(z: Tensor, out: Tensor | None = None) -> Tensor:
    """tanh z."""
    import torch

    return torch.tanh(z, out=out)


def slope(z: Tensor, phi: Tensor) -> Tensor:
    """1 − φ²."""
    return 1 - phi.square()


def second_derivative(z: Tensor, phi: Tensor) -> Tensor:
    """−2 φ (1 − φ²)."""
    return -2 * phi * (1 - phi.square())


def backward(z: Tensor, phi: Tensor, sensitivity: Tensor) -> Tensor:
    """In place, times 1 − φ²."""
    import torch

    return torch.ops.aten.tanh_backward.grad_input(sensitivity, phi, grad_input=sensitivity)


RECORD = Activation(
    name="tanh",
    value=value,
    slope=slope,
    second_derivative=second_derivative,
    backward=backward,
    gain=5 / 3,
    orthogonal_gain=1.05,
    kernel="deepcredit.nets.compiled.tanh:Tanh",
    seconds=5e-10,
)
