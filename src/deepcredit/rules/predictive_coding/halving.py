r"""Predictive coding with the step-size schedule of Song et al. 2024: halve where the energy stops falling.

Shapes: E members, H hidden layers, B batch, N width, D input, K output.

The energy here is the sum over the batch, E = B·F with the F of `energy.py`; the schedule is each member's own.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.rules.options import HalvingInference
from deepcredit.rules.predictive_coding.energy import Errors, activity_gradient_of, errors, weight_gradient


class Inferred(NamedTuple):
    """Activities z [E, H, B, N] as the last iteration finds them, and each member's learning rate by then, [E]."""

    z: Tensor
    lr: Tensor


def infer(net: MLP, weights: Weights, x: Tensor, y: Tensor, options: HalvingInference) -> Inferred:
    r"""T iterations of gradient descent on all hidden activities at once, from the feed-forward values.

    Iteration t evaluates the energy E_t and its gradient, then steps z ← z − η ∂E/∂z; for t ≥ 1, η is halved after
    the step unless E_t < E_{t−1}. The weights learn from the activities with which iteration T − 1 begins, so the
    step of that iteration is never needed and z has moved T − 1 times.

    x [E, B, D] and y [E, B, K]. Source: Song et al. 2024, Methods.
    """
    z, _ = feedforward(net, weights, x)
    batch_size = x.shape[-2]
    lr = torch.full((len(z),), options.lr * batch_size, dtype=z.dtype, device=z.device)
    before = torch.full_like(lr, torch.inf)
    for _ in range(options.n_steps - 1 if net.n_hidden else 0):
        error = errors(net, weights, z, x, y)
        now = _summed_energy(error)
        z = z - lr[:, None, None, None] * activity_gradient_of(net, weights, z, error)
        lr = torch.where(now < before, lr, lr / 2)
        before = now
    return Inferred(z, lr / batch_size)


def _summed_energy(error: Errors) -> Tensor:
    """½ Σ ‖e‖² over layers and batch, [E]."""
    return (error.hidden.square().sum((1, 2, 3)) + error.output.square().sum((1, 2))) / 2


class Learner:
    """Gradient of the summed energy of a stack at the activities inferred: a `Learner` of one step."""

    observed: Mapping[str, Tensor] = {}

    def __init__(self, net: MLP, weights: Weights, batch_size: int, options: HalvingInference) -> None:
        self.net, self.weights, self.batch_size, self.options = net, weights, batch_size, options

    def learn(self, x: Tensor, y: Tensor) -> Weights:
        """What a step of learning rate 1 subtracts, for `x` [E, B, D] and `y` [E, B, K]."""
        z = infer(self.net, self.weights, x, y, self.options).z
        of_mean = weight_gradient(self.net, self.weights, z, x, y)
        return of_mean.map(lambda gradient: self.batch_size * gradient)
