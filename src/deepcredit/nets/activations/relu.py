"""The rectified linear unit, φ(z) = max(0, z), with the slope 0 at its kink."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from deepcredit.nets.activations import Activation

if TYPE_CHECKING:
    from torch import Tensor


def value(z: Tensor, out: Tensor | None = None) -> Tensor:
    """max(0, z)."""
    import torch

    return torch.clamp(z, min=0, out=out)


def slope(z: Tensor, phi: Tensor) -> Tensor:
    """1 where φ is positive, else 0."""
    return (phi > 0).to(phi.dtype)


def second_derivative(z: Tensor, phi: Tensor) -> Tensor:
    """0, also at the kink."""
    import torch

    return torch.zeros_like(phi)


def backward(z: Tensor, phi: Tensor, sensitivity: Tensor) -> Tensor:
    """In place, 0 where φ is not positive."""
    import torch

    return torch.ops.aten.threshold_backward.grad_input(sensitivity, phi, 0, grad_input=sensitivity)


RECORD = Activation(
    name="relu",
    value=value,
    slope=slope,
    second_derivative=second_derivative,
    backward=backward,
    rectifies=True,
    gain=math.sqrt(2),
    kernel="deepcredit.nets.compiled.relu:Relu",
    seconds=0.0,
)
