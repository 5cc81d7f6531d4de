"""No activation function: φ(z) = z."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcredit.nets.activations import Activation

if TYPE_CHECKING:
    from torch import Tensor


def value(z: Tensor, out: Tensor | None = None) -> Tensor:
    """`z` itself, or a copy in `out`."""
    return z if out is None else out.copy_(z)


def slope(z: Tensor, phi: Tensor) -> Tensor:
    """1."""
    import torch

    return torch.ones_like(z)


def second_derivative(z: Tensor, phi: Tensor) -> Tensor:
    """0."""
    import torch

    return torch.zeros_like(z)


RECORD = Activation(
    name="linear",
    value=value,
    slope=slope,
    second_derivative=second_derivative,
    linear=True,
    kernel="deepcredit.nets.compiled.linear:Linear",
    seconds=0.0,
)
