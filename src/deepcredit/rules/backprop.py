r"""Backpropagation through stacks of MLPs, by hand.

Shapes: E members, H hidden layers, B batch, D input, N width, K output.

The loss is $\tfrac12\operatorname{mean}_b\|y-\hat y\|^2$. The errors that it sends down are those of predictive coding
at an infinitely weak prior: $\delta_L = y - \hat y$, $\delta_l = a_{l+1}\varphi'(z_l)\circ(W_{l+1}^\top\delta_{l+1})
\;(+\,\delta_{l+1}$ with skips).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, feedforward, layer_products, per_member
from deepcredit.rules.graph import Graph


def gradient(net: MLP, weights: Weights, x: Tensor, y: Tensor) -> Weights:
    """Weight gradient of `squared_loss` for `x` [B, D] or [E, B, D] and `y` [B, K] or [E, B, K]."""
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
    layers = list(zip(z.unbind(1), net.activation.value(z).unbind(1), strict=True))
    sent = net.activation.pull_back(*layers[-1], net.a_out * (delta @ weights.w_out))
    hidden = [sent]
    for w, below in zip(reversed(weights.w_hid.unbind(1)), reversed(layers[:-1]), strict=True):
        back = net.activation.pull_back(*below, net.a_hid * (sent @ w))
        sent = back + sent if net.skips else back
        hidden.append(sent)
    return torch.stack(hidden[::-1], 1)


class Engine:
    r"""Backpropagation of E networks of one shape, batch after batch; a `StackLearner`, which has no options.

    Minimises what the baselines do: the mean of $(y-\hat y)^2$ over all entries, 2/K times `squared_loss`. Reads
    `weights` anew for every batch and never writes them. On a CUDA device one batch is captured as a graph unless
    `graph=False`.
    """

    def __init__(
        self,
        net: MLP,
        weights: Weights,
        batch_size: int,
        options: Sequence[None] = (),  # noqa: ARG002 - what every rule is given
        *,
        graph: bool = True,
    ) -> None:
        self.net, self.weights = net, weights
        self.n_members, self.batch_size = weights.n_members, batch_size
        self.prediction = weights.w_out.new_empty(self.n_members, batch_size, net.output_size)
        self.activities = weights.w_out.new_empty(self.n_members, net.n_hidden, batch_size, net.width)
        self.gradient = weights.map(torch.zeros_like)
        self._graph = Graph(self._learn) if weights.w_out.is_cuda and graph else None

    def learn(self, x: Tensor, y: Tensor) -> Weights:
        """Weight gradient for `x` [E, B, D] and `y` [E, B, K], in a buffer.

        Also leaves `prediction` [E, B, K], and the `activities` of the forward pass [E, H, B, N].
        """
        if self._graph is None:
            self._learn(x, y)
        else:
            self._graph.run(x, y)
        return self.gradient

    def _learn(self, x: Tensor, y: Tensor) -> None:
        z, prediction = feedforward(self.net, self.weights, x)
        self.activities.copy_(z)
        self.prediction.copy_(prediction)
        of_loss = gradient_at(self.net, self.weights, z, prediction, x, y)
        for buffer, gradient in zip(self.gradient, of_loss, strict=True):
            torch.mul(gradient, 2 / self.net.output_size, out=buffer)


class SummedLearner:
    """Gradient of ½ Σ ‖y − ŷ‖² of a stack, summed over the batch: a `Learner` of one step."""

    observed: Mapping[str, Tensor] = {}

    def __init__(self, net: MLP, weights: Weights, batch_size: int, options: None = None) -> None:  # noqa: ARG002
        self.net, self.weights, self.batch_size = net, weights, batch_size

    def learn(self, x: Tensor, y: Tensor) -> Weights:
        """What a step of learning rate 1 subtracts, for `x` [E, B, D] and `y` [E, B, K]."""
        of_mean = gradient(self.net, self.weights, x, y)
        return of_mean.map(lambda gradient: self.batch_size * gradient)
