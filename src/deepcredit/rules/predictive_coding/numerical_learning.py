"""Learning at an equilibrium that is searched for, of one network that need not be linear."""

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, predict
from deepcredit.rules.loss import squared_loss
from deepcredit.rules.options import NewtonInference
from deepcredit.rules.predictive_coding.energy import weight_gradient
from deepcredit.rules.predictive_coding.exact_learning import Learned
from deepcredit.rules.predictive_coding.newton import find_equilibrium


class NumericalLearner:
    """∂F/∂W where Newton's method ends, in buffers made once. Reads `weights` (E = 1) anew and never writes them."""

    def __init__(self, net: MLP, weights: Weights, options: NewtonInference) -> None:
        self.net, self.weights, self.options = net, weights, options
        self.gradient = weights.map(torch.zeros_like)

    def learn(self, x: Tensor, y: Tensor) -> Learned:
        """Fill `gradient` for `x` [1, B, D] and `y` [1, B, K]."""
        (x,), (y,) = x, y
        found = find_equilibrium(self.net, self.weights, x, y, self.options)
        for buffer, g in zip(self.gradient, weight_gradient(self.net, self.weights, found.z[None], x, y), strict=True):
            buffer.copy_(g)
        loss = squared_loss(predict(self.net, self.weights, x), y)
        return Learned(loss, loss.new_tensor([found.energy]), found.products, found.gradient_norm)
