r"""Energy of a predictive-coding network, and its gradients by hand. No autograd is needed anywhere.

Shapes: E members, H hidden layers, L = H + 1, B batch, D input, N width, K output.

With the errors $e_l = z_l - \hat z_l$ of the hidden layers and $e_L = y - \hat y$ of the output,

$$F = \frac{1}{B}\sum_{b}\Big[\sum_{l=1}^{L}\tfrac12\|e_l\|^2\Big] + \frac{\alpha}{2B}\sum_b\sum_{l=1}^{H}\|z_l\|^2
      + \frac{\lambda}{2}\sum_l\|W_l\|_F^2 + \frac{\sigma}{2}\sum_l\|W_l^\top W_l - I\|_F^2$$

with activity decay α, and two options that no figure uses: weight decay λ and spectral penalty σ.
(Innocenti, Achour & Buckley 2025, μPC, eq. 1, with the scalings of `deepcredit.nets.mlp`.)
"""

from typing import NamedTuple

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, hidden_predictions, layer_products, per_member, readout
from deepcredit.rules.penalties import NO_PENALTIES, Penalties, penalty, penalty_gradient


class Errors(NamedTuple):
    """What each layer is away from its prediction."""

    hidden: Tensor  #: [E, H, B, N]
    output: Tensor  #: [E, B, K]


def errors(net: MLP, weights: Weights, z: Tensor, x: Tensor, y: Tensor) -> Errors:
    """Errors at activities `z` [E, H, B, N], for `x` [B, D] or [E, B, D] and `y` [B, K] or [E, B, K]."""
    x, y = per_member(x, weights.n_members), per_member(y, weights.n_members)
    prediction = readout(net, weights, z[:, -1]) if net.n_hidden else net.a_out * (x @ weights.w_out.mT)
    return Errors(z - hidden_predictions(net, weights, z, x), y - prediction)


def layer_energies(net: MLP, weights: Weights, z: Tensor, x: Tensor, y: Tensor) -> Tensor:
    r"""$\frac{1}{B}\sum_b \frac12\|e_l\|^2$ of every layer, the first hidden layer's first: [E, L]."""
    hidden, output = errors(net, weights, z, x, y)
    per_layer = torch.cat([hidden.square().sum((2, 3)), output.square().sum((1, 2)).unsqueeze(1)], 1)
    return per_layer / (2 * output.shape[1])


def energy(
    net: MLP,
    weights: Weights,
    z: Tensor,
    x: Tensor,
    y: Tensor,
    activity_decay: float | Tensor = 0.0,
    penalties: Penalties = NO_PENALTIES,
) -> Tensor:
    """F of every member, [E]. `activity_decay` is one number, or [E]."""
    decay = activity_decay * z.square().sum((1, 2, 3)) / (2 * z.shape[2])
    return layer_energies(net, weights, z, x, y).sum(1) + decay + penalty(weights, penalties)


def activity_gradient(
    net: MLP, weights: Weights, z: Tensor, x: Tensor, y: Tensor, activity_decay: float | Tensor = 0.0
) -> Tensor:
    r"""$\partial F/\partial z$, [E, H, B, N], with the 1/B.

    $B\,\partial F/\partial z_l = e_l - a_{l+1}\varphi'(z_l)\circ(W_{l+1}^\top e_{l+1}) \;(- e_{l+1}) + \alpha z_l$,
    the bracket with skips and $l < H$.
    """
    return activity_gradient_of(net, weights, z, errors(net, weights, z, x, y), activity_decay)


def activity_gradient_of(
    net: MLP, weights: Weights, z: Tensor, error: Errors, activity_decay: float | Tensor = 0.0
) -> Tensor:
    """The gradient of `activity_gradient` from errors that are already known."""
    if net.n_hidden == 0:
        return z
    sent_back = torch.cat([net.a_hid * (error.hidden[:, 1:] @ weights.w_hid), _from_output(net, weights, error)], 1)
    gradient = error.hidden - net.activation.pull_back(z, net.activation.value(z), sent_back)
    if net.skips:
        gradient[:, :-1] -= error.hidden[:, 1:]
    return (gradient + _column(activity_decay) * z) / z.shape[2]


def _from_output(net: MLP, weights: Weights, error: Errors) -> Tensor:
    return (net.a_out * (error.output @ weights.w_out)).unsqueeze(1)


def _column(value: float | Tensor) -> float | Tensor:
    """A member's number, [E], against activities, [E, H, B, N]."""
    return value.reshape(-1, 1, 1, 1) if isinstance(value, Tensor) and value.dim() else value


def weight_gradient(
    net: MLP, weights: Weights, z: Tensor, x: Tensor, y: Tensor, penalties: Penalties = NO_PENALTIES
) -> Weights:
    r"""$\partial F/\partial W_l = -\frac{1}{B} a_l \sum_b e_l \varphi(z_{l-1})^\top$, plus that of the penalties."""
    error = errors(net, weights, z, x, y)
    products = layer_products(net, z, per_member(x, weights.n_members), error.hidden, error.output)
    if penalties == NO_PENALTIES:
        return products
    return Weights(*(g + penalty_gradient(w, penalties) for g, w in zip(products, weights, strict=True)))
