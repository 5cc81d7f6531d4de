r"""The exact equilibrium of inference in a linear network, without inference.

Shapes: E members, H hidden layers, L = H + 1, B batch, D input, N width, K output.

With the Jacobians $J_l = a_l W_l\,(+ I\text{ with skips})$ let $P_L = I$, $P_l = P_{l+1} J_{l+1}$ and
$S = \sum_{l=1}^L P_l P_l^\top$, a K × K matrix. Where $\partial F/\partial z = 0$ (no activity decay),

$$e_L = S^{-1}(y - \hat y),\qquad e_l = J_{l+1}^\top e_{l+1},\qquad
F^* = \tfrac12\operatorname{mean}_b\,(y-\hat y)^\top S^{-1}(y-\hat y)$$

for the feed-forward output ŷ (Innocenti, Achour & Buckley 2025, μPC, the theorem on the energy at equilibrium).
This costs O(H N² K), where solving for all activities at once would cost O(H³ N³).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, feedforward, per_member


class Equilibrium(NamedTuple):
    """Where inference ends."""

    z: Tensor  #: activities, [E, H, B, N]
    energy: Tensor  #: F*, [E]


def jacobian_products(net: MLP, weights: Weights) -> Tensor:
    r"""$P_1 … P_{L-1}$, the Jacobians of a linear network's output with respect to its hidden states: [E, H, K, N]."""
    product = net.a_out * weights.w_out
    products = [product]
    for w in reversed(weights.w_hid.unbind(1)):
        back = net.a_hid * (product @ w)
        product = back + product if net.skips else back
        products.append(product)
    return torch.stack(products[::-1], 1)


def output_covariance(net: MLP, weights: Weights) -> Tensor:
    r"""$S = I + \sum_{l=1}^{L-1} P_l P_l^\top$, [E, K, K]: the loss is $y - \hat y$ through I, the energy through S."""
    identity = torch.eye(net.output_size, dtype=weights.w_out.dtype, device=weights.w_out.device)
    if net.n_hidden == 0:
        return identity.expand(weights.n_members, -1, -1)
    products = jacobian_products(net, weights)
    return identity + (products @ products.mT).sum(1)


def equilibrium(net: MLP, weights: Weights, x: Tensor, y: Tensor) -> Equilibrium:
    """Equilibrium for `x` [B, D] or [E, B, D] and `y` [B, K] or [E, B, K].

    Raises ValueError where the network is not linear.
    """
    if not net.activation.linear:
        raise ValueError(f"only a linear network has this equilibrium, not one with {net.act_fn}")
    _, prediction = feedforward(net, weights, x)
    residual = per_member(y, weights.n_members) - prediction
    output_error = torch.linalg.solve(output_covariance(net, weights), residual.mT).mT
    energy = (residual * output_error).sum((1, 2)) / (2 * residual.shape[1])
    return Equilibrium(_states(net, weights, x, output_error), energy)


def _states(net: MLP, weights: Weights, x: Tensor, output_error: Tensor) -> Tensor:
    """Activities whose errors are those that `output_error` sends down."""
    x = per_member(x, weights.n_members)
    if net.n_hidden == 0:
        return x.new_empty(len(x), 0, x.shape[1], net.width)
    hidden_errors = output_error.unsqueeze(1) @ jacobian_products(net, weights)
    z = net.a_in * (x @ weights.w_in.mT) + hidden_errors[:, 0]
    states = [z]
    for w, error in zip(weights.w_hid.unbind(1), hidden_errors[:, 1:].unbind(1), strict=True):
        forward = net.a_hid * (z @ w.mT) + error
        z = forward + z if net.skips else forward
        states.append(z)
    return torch.stack(states, 1)
