r"""Learning at the exact equilibrium of a linear network, without its activities.

Shapes: E members, H hidden layers, L = H + 1, B batch, D input, N width, K output.

In the notation of `deepcredit.rules.predictive_coding.equilibrium`, and with $P_0 = a_1 P_1 W_1$, the prediction is
$\hat y = P_0 x$, and all that the weights need of the activities is their product with the output error,

$$C_0 = \tfrac1B\sum_b e_L x^\top,\qquad C_{l} = C_{l-1}J_l^\top + Q P_l,\qquad Q = \tfrac1B\sum_b e_L e_L^\top,
\qquad \frac{\partial F}{\partial W_l}\Big|_{z^*} = -a_l P_l^\top C_{l-1}.$$

Two products [K, N] · [N, N] a layer: the batch meets only the first one. It follows from $e_l = P_l^\top e_L$.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights


class Learned(NamedTuple):
    """What one batch says; loss and energy are means over it, [E]."""

    loss: Tensor  #: ½‖y − ŷ‖² of the feed-forward pass
    energy: Tensor  #: F*
    products: int = 0  #: what the search for the equilibrium took; none where it is exact
    gradient_norm: float = 0.0  #: ‖∂F/∂z‖ where the search ended


class ExactLearner:
    """∂F/∂W at the equilibrium, batch after batch, in buffers made once. Reads `weights` anew and never writes them.

    Raises ValueError for a network that is not linear or has no hidden layer.
    """

    def __init__(self, net: MLP, weights: Weights) -> None:
        if not net.activation.linear or net.n_hidden < 1:
            raise ValueError(f"not a linear network with hidden layers: {net}")
        self.net, self.weights = net, weights
        self.gradient = weights.map(torch.zeros_like)
        members, new = weights.n_members, weights.w_out.new_empty
        self._jacobian = new(net.n_hidden - 1, members, net.width, net.width)
        self._p = new(net.n_hidden, members, net.output_size, net.width)
        self._c = torch.empty_like(self._p)
        self._identity = torch.eye(net.output_size, dtype=weights.w_out.dtype, device=weights.w_out.device)
        jacobians, p, c = self._jacobian.unbind(), self._p.unbind(), self._c.unbind()
        self._down = [(p[i + 1], jacobians[i], p[i]) for i in reversed(range(net.n_hidden - 1))]
        self._up = [(c[i], jacobians[i].mT, c[i + 1]) for i in range(net.n_hidden - 1)]

    def learn(self, x: Tensor, y: Tensor) -> Learned:
        """Fill `gradient` for `x` [E, B, D] and `y` [E, B, K]."""
        net, weights, p = self.net, self.weights, self._p
        self._send_down()
        p_0 = net.a_in * (p[0] @ weights.w_in)
        residual = y - x @ p_0.mT
        covariance = self._identity + (p @ p.mT).sum(0)
        error = torch.linalg.solve(covariance, residual.mT)
        error_covariance = error @ error.mT / x.shape[1]
        c_0 = error @ x / x.shape[1]
        self._send_up(c_0, error_covariance)
        self._fill_gradient(c_0)
        scale = 2 * x.shape[1]
        energy = (residual * error.mT).sum((1, 2)) / scale
        return Learned(residual.square().sum((1, 2)) / scale, energy)

    def _send_down(self) -> None:
        """P_H … P_1."""
        net, weights = self.net, self.weights
        torch.mul(weights.w_hid.transpose(0, 1), net.a_hid, out=self._jacobian)
        if net.skips:
            self._jacobian.diagonal(dim1=2, dim2=3).add_(1)
        torch.mul(weights.w_out, net.a_out, out=self._p[-1])
        for above, jacobian, out in self._down:
            torch.bmm(above, jacobian, out=out)

    def _send_up(self, c_0: Tensor, error_covariance: Tensor) -> None:
        """C_1 … C_H."""
        torch.matmul(error_covariance, self._p, out=self._c)
        self._c[0].add_(c_0 @ self.weights.w_in.mT, alpha=self.net.a_in)
        for below, transposed, out in self._up:
            out.baddbmm_(below, transposed)

    def _fill_gradient(self, c_0: Tensor) -> None:
        net, p, c, gradient = self.net, self._p, self._c, self.gradient
        torch.mul(p[0].mT @ c_0, -net.a_in, out=gradient.w_in)
        if net.n_hidden > 1:
            torch.mul((p[1:].mT @ c[:-1]).transpose(0, 1), -net.a_hid, out=gradient.w_hid)
        torch.mul(c[-1], -net.a_out, out=gradient.w_out)
