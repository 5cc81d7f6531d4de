"""What learning from one batch costs a member under a rule, beyond what every training costs. Imports no torch.

Seconds are those of the nominal core, fitted with the costs of a whole training in the study that trains. What a CUDA
device does is counted: products by their operations, element-wise kernels by the arrays that they read and write.
"""

from collections.abc import Sequence
from typing import NamedTuple

from deepcredit.nets.activations import ACTIVATIONS, Activation
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

#: kernels of a step for the products of output and hidden layers, up and down, one of which begins with a copy; of a
#: layer of a feed-forward pass with skips for its product, which begins with a copy
STEP_PRODUCTS, FORWARD_PRODUCT = 5, 2
#: passes over arrays as large as the weights, for a batch: to and from layers first, and the gradient scaled
PASSES = 5


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
    def activities(self) -> int:
        """Of a layer."""
        return self.batch_size * self.width

    @property
    def operations(self) -> float:
        """Of one product with every weight."""
        return 2 * self.batch_size * self.n_weights


class BatchCost(NamedTuple):
    """What a member's batch takes: seconds of the nominal core; on a CUDA device operations, kernels and bytes.

    The kernels are those of all members together, the bytes those of element-wise work.
    """

    seconds: float
    operations: float = 0.0
    kernels: float = 0.0
    bytes: float = 0.0


def two_passes(batch: Batch, options: object) -> BatchCost:  # noqa: ARG001 - the same for any options
    """A pass up and a pass down, as in backpropagation, and the products of the gradient."""
    seconds = 2 * LEARNED * batch.operations + BACKPROPAGATED * batch.n_hidden
    act_fn = ACTIVATIONS[batch.act_fn]
    # up: product, scaling, skip; down: product, scaling, slope, skip
    a_layer = [*_value(act_fn), 2, 3, 2, *_slope(act_fn), 3]
    return BatchCost(
        seconds,
        3 * batch.operations,
        batch.n_hidden * (2 + len(a_layer)),
        4 * (batch.n_hidden * batch.activities * sum(a_layer) + PASSES * batch.n_weights),
    )


def stepped_inference(batch: Batch, options: SteppedInference) -> BatchCost:
    """A feed-forward pass, the steps of inference, and the products of the gradient."""
    steps, moved = options.steps(batch.n_hidden), moved_layers(batch.n_hidden, options)
    inferred = 4 * batch.batch_size * batch.width**2 * moved
    an_activity = MOVED + MOVED_BY_ADAM * (options.algorithm is Algorithm.adam)
    seconds = INFERRED * (inferred + batch.operations) + CALLS * (steps + batch.n_hidden)
    seconds += an_activity * moved * batch.activities
    seconds += ACTIVATIONS[batch.act_fn].seconds * (moved + batch.n_hidden) * batch.activities
    a_step, a_layer = step_passes(batch.act_fn, options), FORWARD_PRODUCT + len(_value(ACTIVATIONS[batch.act_fn]))
    return BatchCost(
        seconds,
        inferred + 2 * batch.operations,
        steps * (STEP_PRODUCTS + len(a_step)) + batch.n_hidden * a_layer,
        4 * (moved * batch.activities * sum(a_step) + PASSES * batch.n_weights),
    )


def step_passes(act_fn: str, options: SteppedInference) -> Sequence[int]:
    """The element-wise kernels of a step, each by the arrays of activities that it reads and writes; with skips."""
    activation = ACTIVATIONS[act_fn]
    # errors of the first layer and of those above, skips down and up, descent less error, z
    found = [3, 3, 3, 3, 3, 3, *_value(activation), *_slope(activation, in_place=True)]
    if max(options.activity_decay) > 0:
        found += [2, 3]
    if len(options.lr) > 1:
        found += [0, 2]  # the rates of members, divided by the batch size, and their product with the descent
    if options.algorithm is Algorithm.adam:
        found += [2, 3, 2, 4, 2, 2, 2, 3]
    return found


def _value(activation: Activation) -> list[int]:
    return [] if activation.linear else [2]


def _slope(activation: Activation, in_place: bool = False) -> list[int]:
    """What is sent down times the slope."""
    if activation.linear:
        return []
    return [3] if in_place and activation.backward else [2, 2, 3]


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
