"""Deep linear networks as lists of layers: their states, and the step that errors make.

Shapes: E members, L weight matrices, B batch. Layers are a list W_1 … W_L of [E, out, in];
states are a list x_0 … x_L of [E, B, width of the layer].
"""

from collections.abc import Sequence

from torch import Tensor


def states(layers: Sequence[Tensor], x: Tensor) -> list[Tensor]:
    """Feed-forward values x_0 … x_L for the input x [E, B, in]."""
    values = [x]
    for weight in layers:
        values.append(values[-1] @ weight.mT)
    return values


def updates(errors: Sequence[Tensor], values: Sequence[Tensor], lr: float) -> list[Tensor]:
    """What is added to W_1 … W_L: −η Σ_batch e_l x_{l−1}ᵀ, from the errors e_0 … e_L, of which e_0 moves nothing."""
    return [-lr * error.mT @ below for error, below in zip(errors[1:], values, strict=False)]
