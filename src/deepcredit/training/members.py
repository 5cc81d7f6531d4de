"""Who trains: members with their own seeds, rates and decays, and what they share."""

from dataclasses import dataclass

from deepcredit.nets.mlp import MLP
from deepcredit.nets.names import Algorithm, Init, Rule
from deepcredit.rules.predictive_coding.energy import NO_PENALTIES, Penalties
from deepcredit.rules.predictive_coding.options import Inference


@dataclass(frozen=True)
class Member:
    """One run: a seed and its own hyper-parameters. `activity_…` mean nothing to backpropagation."""

    seed: int
    weight_lr: float
    activity_lr: float = 0.0
    activity_decay: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """What all members of an ensemble share: network, initial weights, rule and batch size.

    `steps` is T of inference by `algorithm`. The penalties are options of predictive coding's energy.
    """

    net: MLP
    init: Init
    gain: float
    rule: Rule
    batch_size: int
    algorithm: Algorithm = Algorithm.gd
    steps: int = 0
    penalties: Penalties = NO_PENALTIES

    def inference(self, members: list[Member]) -> Inference:
        """How these members infer together."""
        return Inference(
            steps=self.steps,
            learning_rate=tuple(m.activity_lr for m in members),
            algorithm=self.algorithm,
            activity_decay=tuple(m.activity_decay for m in members),
        )
