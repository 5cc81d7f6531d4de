r"""Target propagation with the exact pseudo-inverse, in linear networks.

Shapes: E members, L weight matrices, B batch. Layers are a list W_1 … W_L of [E, out, in];
states are a list x_0 … x_L of [E, B, width of the layer].

The error of the output, e_L = x_L − y, is carried down by the pseudo-inverses, e_l = e_{l+1} (W_{l+1}ᵀ)⁺, and every
matrix takes the step W_l ← W_l − η Σ_batch e_lᵀ x_{l−1} (Song et al. 2024, target alignment of target propagation;
Bengio 2014 for the rule).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights
from deepcredit.rules.linear import states


def errors(layers: Sequence[Tensor], values: Sequence[Tensor], y: Tensor) -> list[Tensor]:
    """Errors e_1 … e_L for feed-forward `values` x_0 … x_L and target y [E, B, out]."""
    carried = [values[-1] - y]
    for weight in reversed(layers[1:]):
        carried.append(carried[-1] @ torch.linalg.pinv(weight.mT))
    return carried[::-1]


def direction(layers: Sequence[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
    """Σ_batch e_lᵀ x_{l−1} for every layer, [E, out, in]: what a step of learning rate 1 subtracts."""
    values = states(layers, x)
    return [error.mT @ below for error, below in zip(errors(layers, values, y), values, strict=False)]


def overshoot(layers: Sequence[Tensor], x: Tensor, y: Tensor) -> Tensor:
    r"""Largest ⟨e_l, x_l⟩ over the hidden layers, for one sample (B = 1), [E]; 0 without hidden layers.

    After the step, layer l holds x_l − c_l e_l with c_1 = η‖x_0‖² and
    c_{l+1} = c_l (1 − η⟨e_l, x_l⟩) + η‖x_l‖², because W_{l+1} e_l = e_{l+1}. So the output moves along the line to
    the target, and surely towards it (c_L > 0) where η⟨e_l, x_l⟩ < 1 in every hidden layer. An ill-conditioned
    pseudo-inverse makes e_l so long that this fails, and the step can throw the output the other way.
    """
    values = states(layers, x)
    hidden = zip(errors(layers, values, y)[:-1], values[1:-1], strict=True)
    products = [(error * value).sum((-2, -1)) for error, value in hidden]
    return torch.stack(products).amax(0) if products else x.new_zeros(len(x))


def condition_number(layers: Sequence[Tensor]) -> Tensor:
    """Largest 2-norm condition number of W_2 … W_L, the matrices that are inverted, in float64, [E]; 1 if L = 1."""
    if len(layers) == 1:
        return layers[0].new_ones(len(layers[0]), dtype=torch.float64)
    return torch.linalg.cond(torch.stack(list(layers[1:])).double()).amax(0)


class Learner:
    """The step of a stack of linear networks without biases: a `Learner` of one step, from one sample (B = 1)."""

    def __init__(self, net: MLP, weights: Weights, batch_size: int, options: None = None) -> None:  # noqa: ARG002
        self.layers = weights.layers()
        self.observed: Mapping[str, Tensor] = {}

    def learn(self, x: Tensor, y: Tensor) -> Weights:
        """What a step of learning rate 1 subtracts, for `x` [E, 1, D] and `y` [E, 1, K].

        Leaves in `observed` the `overshoot` of a step of learning rate 1, and the `condition_number`.
        """
        self.observed = {
            "overshoot": overshoot(self.layers, x, y),
            "condition_number": condition_number(self.layers),
        }
        return Weights.from_layers(direction(self.layers, x, y))
