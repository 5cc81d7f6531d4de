"""Schema of the interference experiment: learning one association disturbs another. Imports no torch."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.core.registry import named, options_section
from deepcredit.rules.options import HalvingInference
from deepcredit.rules.rule import RULES, settle_options


@dataclass
class InterferenceModel:
    """Linear network of 1 input, 1 hidden and 2 output units, every weight the same at the start."""

    initial_weight: float = 1.0


@dataclass
class InterferenceOptimizer:
    """Gradient descent on the weights."""

    lr: float = 0.2
    n_steps: int = 24

    def __post_init__(self) -> None:
        check(self.lr > 0, "optimizer.lr", self.lr, "a positive number")
        check(self.n_steps >= 1, "optimizer.n_steps", self.n_steps, "a whole number of at least 1")


@dataclass
class InterferenceData:
    """The one sample: the input and the targets of the two outputs."""

    input: float = 1.0
    target: list[float] = field(default_factory=lambda: [0.0, 1.0])

    def __post_init__(self) -> None:
        check(len(self.target) == 2, "data.target", self.target, "a list of two numbers")


@dataclass
class Interference(Experiment):
    """Output 1 must change, output 2 is right already: how far is it dragged along?"""

    variables: ClassVar[dict[str, Variable]] = {
        "prediction": Variable(("rule", "step", "output"), about="feed-forward outputs before each step"),
        "target": Variable(("output",), about="what the outputs should be"),
        "loss": Variable(("output_2", "output_1"), about="½ Σ (output − target)² over a grid of outputs"),
    }

    kind: str = "interference"
    model: InterferenceModel = field(default_factory=InterferenceModel)
    rule: list[str] = named(RULES, ["pc", "bp"], need="direction")
    rule_options: dict[str, Any] = options_section()
    inference: HalvingInference = field(default_factory=HalvingInference)
    optimizer: InterferenceOptimizer = field(default_factory=InterferenceOptimizer)
    data: InterferenceData = field(default_factory=InterferenceData)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(len(self.rule) > 0, "rule", self.rule, "a list of at least one")
        settle_options(self)
        check(self.seed == [0], "seed", self.seed, "[0], because nothing is drawn at random")
