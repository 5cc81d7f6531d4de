r"""Backpropagation through stacks of MLPs, by hand.

Shapes: E members, H hidden layers, B batch, D input, N width, K output.

The loss is $\tfrac12\operatorname{mean}_b\|y-\hat y\|^2$. The errors that it sends down are those of predictive coding
at an infinitely weak prior: $\delta_L = y - \hat y$, $\delta_l = a_{l+1}\varphi'(z_l)\circ(W_{l+1}^\top\delta_{l+1})
\;(+\,\delta_{l+1}$ with skips).
"""

import torch
from torch import Tensor

from deepcredit.nets.activations import activate, pull_back
from deepcredit.nets.mlp import MLP, Weights, feedforward, layer_products, per_member


def loss(prediction: Tensor, y: Tensor) -> Tensor:
    r"""$\tfrac12\operatorname{mean}_b\|y-\hat y\|^2$ of every member, [E], for `prediction` [E, B, K]."""
    return (y - prediction).square().sum((1, 2)) / (2 * prediction.shape[1])


def gradient(net: MLP, weights: Weights, x: Tensor, y: Tensor) -> Weights:
    """Weight gradient of `loss` for `x` [B, D] or [E, B, D] and `y` [B, K] or [E, B, K]."""
    z, prediction = feedforward(net, weights, x)
    return gradient_at(net, weights, z, prediction, x, y)


def gradient_at(net: MLP, weights: Weights, z: Tensor, prediction: Tensor, x: Tensor, y: Tensor) -> Weights:
    """The gradient of `gradient` where the forward pass, `z` and `prediction`, is already known."""
    delta = per_member(y, weights.n_members) - prediction
    hidden = _errors_sent_down(net, weights, z, delta)
    return layer_products(net, z, per_member(x, weights.n_members), hidden, delta)


def _errors_sent_down(net: MLP, weights: Weights, z: Tensor, delta: Tensor) -> Tensor:
    """δ_1 … δ_H, [E, H, B, N], below the output's `delta` [E, B, K]."""
    if net.n_hidden == 0:
        return z
    phi = activate(net.act_fn, z).unbind(1)
    sent = pull_back(net.act_fn, phi[-1], net.a_out * (delta @ weights.w_out))
    hidden = [sent]
    for w, below in zip(reversed(weights.w_hid.unbind(1)), reversed(phi[:-1]), strict=True):
        back = pull_back(net.act_fn, below, net.a_hid * (sent @ w))
        sent = back + sent if net.skips else back
        hidden.append(sent)
    return torch.stack(hidden[::-1], 1)
