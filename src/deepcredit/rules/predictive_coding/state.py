"""Where inference is, and what takes it further; the two ways to do so are `tensor_steps` and `compiled_steps`.

Shapes: H hidden layers, E members, N width, B batch, K output. Layers come first and samples last: any run of
neighbouring layers of all members is one batch of matrices, which the weights multiply from the left.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

#: Adam of Kingma & Ba (2015), algorithm 1
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class State(NamedTuple):
    """Activities, and what follows from them."""

    z: Tensor  #: activities, [H, E, N, B]
    phi: Tensor  #: φ(z), [H, E, N, B]
    error: Tensor  #: z less its prediction, of layers that have an error, [H, E, N, B]
    output: Tensor  #: ŷ of the feed-forward pass, [E, K, B]
    output_error: Tensor  #: y less what the last hidden layer predicts, [E, K, B]


class Steps(Protocol):
    """Inference a step at a time.

    `lowest` is the lowest hidden layer (from 0; H: none) that has an error; the one below it and all above move.
    """

    def feedforward(self, x: Tensor, y: Tensor) -> None:
        """Begin anew, with the weights as they are now, for `x` [E, B, D] and `y` [E, B, K]."""

    def move(self, lowest: int, t: int) -> bool:
        """Take step t (from 0); False where the tolerance was met instead."""

    def settle(self, lowest: int) -> State:
        """The state, with the errors at its activities. It lasts until the next batch."""


def joined(parts: list[State]) -> State:
    """The state of all samples."""
    return parts[0] if len(parts) == 1 else State(*(torch.cat(part, -1) for part in zip(*parts, strict=True)))


def only(value: float | tuple[float, ...]) -> float | None:
    """A member's number if all have the same one."""
    values = set(value) if isinstance(value, tuple) else {value}
    return float(values.pop()) if len(values) == 1 else None
