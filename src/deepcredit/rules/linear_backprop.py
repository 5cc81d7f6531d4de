"""Backpropagation in a deep linear network, layer by layer; shapes as in `deepcredit.rules.linear`.

The loss is ½ Σ (x_L − y)².
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from deepcredit.rules.linear import states


def output_gradients(layers: Sequence[Tensor], values: Sequence[Tensor], y: Tensor) -> list[Tensor]:
    """∂L/∂x_0 … ∂L/∂x_L: the output's error x_L − y, carried down by the transposed weights."""
    gradients = [values[-1] - y]
    for weight in reversed(layers):
        gradients.append(gradients[-1] @ weight)
    return gradients[::-1]


class Learner:
    """A `Learner` of one network's layers."""

    observed: Mapping[str, Tensor] = {}

    def __init__(self, layers: Sequence[Tensor], options: None = None) -> None:  # noqa: ARG002
        self.layers = layers

    def learn(self, x: Tensor, y: Tensor) -> list[Tensor]:
        """∂L/∂x_0 … ∂L/∂x_L for `x` [1, B, D] and `y` [1, B, K]."""
        return output_gradients(self.layers, states(self.layers, x), y)
