"""Element-wise activation functions and their derivatives, the latter from the value φ(z) where that is enough."""

import torch
from torch import Tensor

from deepcredit.nets.names import ActFn


def activate(act_fn: ActFn, z: Tensor, out: Tensor | None = None) -> Tensor:
    """φ(z), written into `out` if given. For `linear` without `out` it is `z` itself, not a copy."""
    match act_fn:
        case ActFn.linear:
            return z if out is None else out.copy_(z)
        case ActFn.tanh:
            return torch.tanh(z, out=out)
        case ActFn.relu:
            return torch.clamp(z, min=0, out=out)
        case ActFn.sigmoid:
            return torch.sigmoid(z, out=out)
    raise ValueError(f"no activation function {act_fn!r}")


def derivative(act_fn: ActFn, phi: Tensor) -> Tensor:
    """φ′(z) as a function of `phi` = φ(z). At the kink of relu it is 0."""
    match act_fn:
        case ActFn.linear:
            return torch.ones_like(phi)
        case ActFn.tanh:
            return 1 - phi.square()
        case ActFn.relu:
            return (phi > 0).to(phi.dtype)
        case ActFn.sigmoid:
            return phi * (1 - phi)
    raise ValueError(f"no activation function {act_fn!r}")


def second_derivative(act_fn: ActFn, phi: Tensor) -> Tensor:
    """φ″(z) as a function of `phi` = φ(z). Zero for the piecewise linear functions, also at the kink."""
    match act_fn:
        case ActFn.linear | ActFn.relu:
            return torch.zeros_like(phi)
        case ActFn.tanh:
            return -2 * phi * (1 - phi.square())
        case ActFn.sigmoid:
            return phi * (1 - phi) * (1 - 2 * phi)
    raise ValueError(f"no activation function {act_fn!r}")


def pull_back(act_fn: ActFn, phi: Tensor, sensitivity: Tensor) -> Tensor:
    """`sensitivity` ∘ φ′(z): the vector-Jacobian product of the activation function, given `phi` = φ(z)."""
    return sensitivity if act_fn is ActFn.linear else sensitivity * derivative(act_fn, phi)


def pull_back_(act_fn: ActFn, phi: Tensor, sensitivity: Tensor) -> Tensor:
    """The same in place, in one pass over `sensitivity`."""
    match act_fn:
        case ActFn.linear:
            return sensitivity
        case ActFn.tanh:
            return torch.ops.aten.tanh_backward.grad_input(sensitivity, phi, grad_input=sensitivity)
        case ActFn.relu:
            return torch.ops.aten.threshold_backward.grad_input(sensitivity, phi, 0, grad_input=sensitivity)
        case ActFn.sigmoid:
            return torch.ops.aten.sigmoid_backward.grad_input(sensitivity, phi, grad_input=sensitivity)
    raise ValueError(f"no activation function {act_fn!r}")
