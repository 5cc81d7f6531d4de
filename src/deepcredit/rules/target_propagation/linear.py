r"""Target propagation in a deep linear network, from the input to the output.

Shapes: E members, L weight matrices, B batch. Layers are a list W_1 … W_L of [E, out, in];
states are a list x_0 … x_L of [E, B, width of the layer]. The loss is ½ Σ (x_L − y)².

Targets, as in the target-propagation notebook (after Lee et al. 2015, eq. 15, with the exact inverse in place of a
learned one): $t_L = x_L − α ∂L/∂x_L$ and $t_l = x_l − W_{l+1}^+ x_{l+1} + W_{l+1}^+ t_{l+1}$, with the pseudo-inverse
$W^+$. Both rules take the step $W_l ← W_l − η Σ_{batch} e_l x_{l−1}^T$; e_l is x_l − t_l for target propagation
and ∂L/∂x_l for backpropagation.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from deepcredit.rules.linear import states
from deepcredit.rules.target_propagation import exact
from deepcredit.rules.target_propagation.options import TargetOptions


def target_errors(layers: Sequence[Tensor], values: Sequence[Tensor], y: Tensor, target_lr: float) -> list[Tensor]:
    """x_0 − t_0 … x_L − t_L: α (x_L − y), carried down by the pseudo-inverses of the weights."""
    top_target = values[-1] - target_lr * (values[-1] - y)
    errors = exact.errors(layers, values, top_target)
    return [errors[0] @ torch.linalg.pinv(layers[0].mT), *errors]


class Learner:
    """A `Learner` of one network's layers."""

    observed: Mapping[str, Tensor] = {}

    def __init__(self, layers: Sequence[Tensor], options: TargetOptions) -> None:
        self.layers, self.target_lr = layers, options.target_lr

    def learn(self, x: Tensor, y: Tensor) -> list[Tensor]:
        """x_0 − t_0 … x_L − t_L for `x` [1, B, D] and `y` [1, B, K]."""
        return target_errors(self.layers, states(self.layers, x), y, self.target_lr)
