"""Schema of the target-alignment experiments: one learning step of a bias-free MLP. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.core.registry import named
from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.names import Init
from deepcredit.rules.options import HalvingInference

#: initialisations that the sources of this group use
INITS = (Init.xavier_uniform, Init.orthogonal)


class Rule(Enum):
    """Learning rule that takes the step."""

    BP = "BP"
    PC = "PC"
    TP = "TP"


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
class AlignmentRule:
    """Rules compared on the same networks and data."""

    name: list[Rule] = field(default_factory=lambda: [Rule.PC, Rule.BP])

    def __post_init__(self) -> None:
        check(_is_set(self.name), "rule.name", _names(self.name), "a list of at least one, no repetitions")


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
    rule: AlignmentRule = field(default_factory=AlignmentRule)
    inference: HalvingInference = field(default_factory=HalvingInference)
    optimizer: AlignmentOptimizer = field(default_factory=AlignmentOptimizer)
    data: AlignmentData = field(default_factory=AlignmentData)

    def __post_init__(self) -> None:
        super().__post_init__()
        if Rule.TP in self.rule.name:
            only_linear = all(ACTIVATIONS[act_fn].linear for act_fn in self.model.act_fn)
            check(only_linear, "model.act_fn", self.model.act_fn, "linear ones while rule.name holds TP")
            check(self.data.batch_size == 1, "data.batch_size", self.data.batch_size, "1 while rule.name holds TP")


def _is_set(values: list) -> bool:
    """At least one value and no value twice."""
    return len(values) > 0 and len(set(values)) == len(values)


def _names(values: Sequence[Enum]) -> list[str]:
    """What the user wrote for a list of enumeration members."""
    return [value.name for value in values]
