"""Predictive coding as the rule that stacks of MLPs are trained by."""

from collections.abc import Sequence

from deepcredit.nets.mlp import MLP, Weights
from deepcredit.rules.options import SteppedInference
from deepcredit.rules.predictive_coding.engine import Engine
from deepcredit.rules.predictive_coding.options import Inference


class Learner(Engine):
    """The engine of predictive coding, told what each member's options are; a `StackLearner`."""

    def __init__(self, net: MLP, weights: Weights, batch_size: int, options: Sequence[SteppedInference]) -> None:
        super().__init__(net, weights, batch_size, together(net, options))


def together(net: MLP, options: Sequence[SteppedInference]) -> Inference:
    """How members with these options infer at once; what they share is that of the first."""
    return Inference(
        steps=options[0].steps(net.n_hidden),
        learning_rate=tuple(lr for own in options for lr in own.lr),
        algorithm=options[0].algorithm,
        activity_decay=tuple(decay for own in options for decay in own.activity_decay),
    )
