r"""A deep affine network, $x_l = W_l x_{l-1} + b_l$ for l = 1…L: hidden layers of one width, no activation function.

It is the network of the target-propagation notebook (after Lee et al. 2015, *Difference target propagation*).
Because it is affine, all of it is one affine map: evaluating it on a whole data set costs one thin product.

Shapes: B batch, N width, D input, K output, H = L − 1 hidden layers; the hidden activations are `x_HBN`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Affine:
    """Parameters of one network, changed in place by training."""

    w_in: Tensor  # [N, D]
    w_hid: Tensor  # [H-1, N, N]
    w_out: Tensor  # [K, N]
    b_in: Tensor  # [N]
    b_hid: Tensor  # [H-1, N]
    b_out: Tensor  # [K]


class Draws(NamedTuple):
    """How parameters are drawn: weights N(0, weight_std²) cut off at two deviations, one constant for all biases."""

    weight_std: float
    bias: float
    generator: torch.Generator


class Errors(NamedTuple):
    """What a batch says of the layers, and the hidden activations that it says it at."""

    x_HBN: Tensor
    hidden_HBN: Tensor
    output_BK: Tensor


def truncated_normal(size: tuple[int, ...], std: float, generator: torch.Generator) -> Tensor:
    """Draws of N(0, std²) conditioned on lying within two `std` of 0."""
    draws = torch.empty(size)
    return torch.nn.init.trunc_normal_(draws, 0.0, std, -2 * std, 2 * std, generator=generator)


def initialise(sizes: tuple[int, int, int], n_hidden: int, draws: Draws) -> Affine:
    """Network with truncated normal weights and constant biases; `sizes` = (D, N, K), `n_hidden` = H."""
    d, n, k = sizes
    weight_std, bias, generator = draws
    return Affine(
        w_in=truncated_normal((n, d), weight_std, generator),
        w_hid=truncated_normal((n_hidden - 1, n, n), weight_std, generator),
        w_out=truncated_normal((k, n), weight_std, generator),
        b_in=torch.full((n,), bias),
        b_hid=torch.full((n_hidden - 1, n), bias),
        b_out=torch.full((k,), bias),
    )


def forward(net: Affine, x_BD: Tensor, x_HBN: Tensor) -> Tensor:
    """Fill `x_HBN` with the hidden activations on the inputs `x_BD`; returns the output [B, K]."""
    torch.addmm(net.b_in, x_BD, net.w_in.T, out=x_HBN[0])
    for below, above, weight, bias in zip(x_HBN[:-1], x_HBN[1:], net.w_hid, net.b_hid, strict=True):
        torch.addmm(bias, below, weight.T, out=above)
    return torch.addmm(net.b_out, x_HBN[-1], net.w_out.T)


def composed(net: Affine) -> tuple[Tensor, Tensor]:
    """Matrix [K, D] and offset [K] of the whole network as one affine map."""
    weight, bias = net.w_in, net.b_in
    for w, b in zip(net.w_hid, net.b_hid, strict=True):
        weight, bias = w @ weight, w @ bias + b
    return net.w_out @ weight, net.w_out @ bias + net.b_out


def buffers(net: Affine, batch_size: int) -> tuple[Tensor, Tensor]:
    """Room for the hidden activations and their errors, [H, B, N] each."""
    shape = (len(net.w_hid) + 1, batch_size, net.w_in.shape[0])
    return torch.empty(shape), torch.empty(shape)


def pull_back(net: Affine, top_BK: Tensor, gradient_HBN: Tensor) -> None:
    """Fill `gradient_HBN` with ∂L/∂x_l of the hidden layers, given ∂L/∂x_L at the output (backpropagation)."""
    torch.mm(top_BK, net.w_out, out=gradient_HBN[-1])
    for layer in range(len(net.w_hid) - 1, -1, -1):
        torch.mm(gradient_HBN[layer + 1], net.w_hid[layer], out=gradient_HBN[layer])


def descend(net: Affine, x_BD: Tensor, errors: Errors, lr: float) -> None:
    """Gradient step on every layer, in place: W_l −= lr Σ_batch e_l x_{l−1}ᵀ, b_l −= lr Σ_batch e_l."""
    x_HBN, error_HBN, error_BK = errors
    net.w_in.addmm_(error_HBN[0].T, x_BD, alpha=-lr)
    net.w_hid.baddbmm_(error_HBN[1:].mT, x_HBN[:-1], alpha=-lr)
    net.w_out.addmm_(error_BK.T, x_HBN[-1], alpha=-lr)
    summed_HN = error_HBN.sum(1)
    net.b_in.sub_(summed_HN[0], alpha=lr)
    net.b_hid.sub_(summed_HN[1:], alpha=lr)
    net.b_out.sub_(error_BK.sum(0), alpha=lr)
