"""Schema of the target-alignment experiments: one learning step of a bias-free MLP. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.core.registry import named, options_section
from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.names import Init
from deepcredit.rules.options import HalvingInference
from deepcredit.rules.rule import RULES, settle_options

#: initialisations that the sources of this group use
INITS = (Init.xavier_uniform, Init.orthogonal)


@dataclass
class AlignmentModel:
    """Bias-free MLP with `num_layers` square matrices [width, width]; φ between them, none after the last."""

    num_layers: int = 2
    width: int = 64
    act_fn: list[str] = named(ACTIVATIONS, ["linear"])
    init: Init = Init.xavier_uniform

    def __post_init__(self) -> None:
        check(self.num_layers >= 1, "model.num_layers", self.num_layers, "a whole number of at least 1")
        check(self.width >= 1, "model.width", self.width, "a whole number of at least 1")
        check(self.init in INITS, "model.init", self.init.name, ", ".join(init.name for init in INITS))
        check(_is_set(self.act_fn), "model.act_fn", self.act_fn, "a list of at least one, no repetitions")


@dataclass
class AlignmentOptimizer:
    """Learning rates of the one gradient-descent step on the weights, each a member."""

    lr: list[float] = field(default_factory=lambda: [0.001])

    def __post_init__(self) -> None:
        holds = _is_set(self.lr) and all(lr > 0 for lr in self.lr)
        check(holds, "optimizer.lr", self.lr, "a list of at least one positive number, no repetitions")


@dataclass
class AlignmentData:
    """One batch of inputs and targets, both N(0, 1)."""

    batch_size: int = 1

    def __post_init__(self) -> None:
        check(self.batch_size >= 1, "data.batch_size", self.batch_size, "a whole number of at least 1")


@dataclass
class TargetAlignment(Experiment):
    """Does one step move the output towards the target? A cell is one depth; rules, φ, rates and seeds are members."""

    variables: ClassVar[dict[str, Variable]] = {
        "target_alignment": Variable(
            ("rule", "act_fn", "weight_lr", "seed"),
            finite=False,
            about="mean over the batch of the cosine between the output's move and the way to the target",
        ),
        "overshoot": Variable(
            ("weight_lr", "seed"),
            finite=False,
            about="target propagation: largest lr·⟨e_l, x_l⟩ over hidden layers; below 1 the step is exactly aligned",
        ),
        "condition_number": Variable(
            ("seed",),
            finite=False,
            about="target propagation: largest condition number among the matrices it inverts",
        ),
    }

    kind: str = "target_alignment"
    model: AlignmentModel = field(default_factory=AlignmentModel)
    #: compared on the same networks and data
    rule: list[str] = named(RULES, ["pc", "bp"], need="direction")
    rule_options: dict[str, Any] = options_section()
    inference: HalvingInference = field(default_factory=HalvingInference)
    optimizer: AlignmentOptimizer = field(default_factory=AlignmentOptimizer)
    data: AlignmentData = field(default_factory=AlignmentData)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(len(self.rule) > 0, "rule", self.rule, "a list of at least one")
        settle_options(self)
        for name in self.rule:
            self._check_fits(name)

    def _check_fits(self, name: str) -> None:
        """Refuse networks and batches that the rule does not learn."""
        implementation, batch_size = RULES[name].implements["direction"], self.data.batch_size
        fits = not implementation.linear or all(ACTIVATIONS[act_fn].linear for act_fn in self.model.act_fn)
        check(fits, "model.act_fn", self.model.act_fn, f"linear ones while rule holds {name}")
        largest = implementation.max_batch or batch_size
        check(batch_size <= largest, "data.batch_size", batch_size, f"at most {largest} while rule holds {name}")


def _is_set(values: list) -> bool:
    """At least one value and no value twice."""
    return len(values) > 0 and len(set(values)) == len(values)


def _names(values: Sequence[Enum]) -> list[str]:
    """What the user wrote for a list of enumeration members."""
    return [value.name for value in values]
