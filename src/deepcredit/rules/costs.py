"""What learning from one batch costs a member under a rule, beyond what every training costs. Imports no torch.

Seconds are those of the nominal core, fitted with the costs of a whole training in the study that trains.
"""

from typing import NamedTuple

from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.names import Algorithm
from deepcredit.rules.options import SteppedInference

#: of an operation in the products of inference, and in other products of a training
INFERRED, LEARNED = 8.0e-12, 2.0e-11
#: of an activity that moves; by Adam, that much more
MOVED, MOVED_BY_ADAM = 7.8e-10, 1.2e-9
#: of a step of inference, or of a layer's feed-forward pass: the calls
CALLS = 1.0e-5
#: of a layer in backpropagation
BACKPROPAGATED = 1.0e-4


class Batch(NamedTuple):
    """The shape of what one member learns from: its network and its batch."""

    input_size: int
    width: int
    n_hidden: int
    output_size: int
    act_fn: str
    batch_size: int

    @property
    def n_weights(self) -> int:
        """Of all layers."""
        return self.width * (self.input_size + self.output_size) + (self.n_hidden - 1) * self.width**2

    @property
    def operations(self) -> float:
        """Of one product with every weight."""
        return 2 * self.batch_size * self.n_weights


class BatchCost(NamedTuple):
    """What a member's batch takes: seconds of the nominal core, float32 operations, kernels of a CUDA device."""

    seconds: float
    operations: float = 0.0
    kernels: float = 0.0


def two_passes(batch: Batch, options: object) -> BatchCost:  # noqa: ARG001 - the same for any options
    """A pass up and a pass down, as in backpropagation, and the products of the gradient."""
    seconds = 2 * LEARNED * batch.operations + BACKPROPAGATED * batch.n_hidden
    return BatchCost(seconds, 3 * batch.operations)


def stepped_inference(batch: Batch, options: SteppedInference) -> BatchCost:
    """A feed-forward pass, the steps of inference, and the products of the gradient."""
    steps, moved = options.steps(batch.n_hidden), moved_layers(batch.n_hidden, options)
    activities = batch.batch_size * batch.width
    inferred = 4 * batch.batch_size * batch.width**2 * moved
    an_activity = MOVED + MOVED_BY_ADAM * (options.algorithm is Algorithm.adam)
    seconds = INFERRED * (inferred + batch.operations) + CALLS * (steps + batch.n_hidden)
    seconds += an_activity * moved * activities
    seconds += ACTIVATIONS[batch.act_fn].seconds * (moved + batch.n_hidden) * activities
    return BatchCost(seconds, inferred + 2 * batch.operations, 8.0 * steps)


def moved_layers(n_hidden: int, options: SteppedInference) -> float:
    """Layers that inference moves for one batch, over all its steps: the error climbs one layer a step."""
    steps = options.steps(n_hidden)
    if max(options.activity_decay) > 0:
        return steps * n_hidden
    climbing = min(steps, n_hidden)
    return climbing * (climbing + 1) / 2 + max(steps - n_hidden, 0) * n_hidden


def affine_backpropagation(batch: Batch, options: object) -> BatchCost:  # noqa: ARG001
    """The calls of an iteration."""
    return BatchCost(3.7e-4)


def affine_targets(batch: Batch, options: object) -> BatchCost:  # noqa: ARG001
    """The calls of an iteration, those of the inverses among them."""
    return BatchCost(1e-3)
