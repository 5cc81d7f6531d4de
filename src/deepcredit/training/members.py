"""Who trains: members with their own seeds, rates and options of the rule, and what they share."""

from dataclasses import dataclass
from typing import Any

from deepcredit.nets.mlp import MLP
from deepcredit.nets.names import Init
from deepcredit.rules.penalties import NO_PENALTIES, Penalties
from deepcredit.rules.rule import RULES, Implementation


@dataclass(frozen=True)
class Member:
    """One run: a seed, the learning rate of its weights, and its own options of the rule, if that has any."""

    seed: int
    weight_lr: float
    options: Any = None


@dataclass(frozen=True)
class Recipe:
    """What all members of an ensemble share: network, initial weights, the rule by name, batch size.

    The penalties are terms of what the weights descend, whatever the rule.
    """

    net: MLP
    init: Init
    gain: float
    rule: str
    batch_size: int
    penalties: Penalties = NO_PENALTIES

    @property
    def implementation(self) -> Implementation:
        """How the rule trains stacks of MLPs. Raises a `UserError` with the names for an unknown rule."""
        return RULES[self.rule].implements["mlp"]
