"""Schema of target propagation in a deep linear network of two units a layer. Imports no torch."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.core.registry import named, options_section
from deepcredit.rules.rule import RULES, settle_options


@dataclass
class TpLinearModel:
    """`num_layers` equal matrices of rank one, left ⊗ right / (‖left‖ ‖right‖)."""

    num_layers: int = 2
    left: list[float] = field(default_factory=lambda: [1.0, 0.0])
    right: list[float] = field(default_factory=lambda: [1.0, 2.0])

    def __post_init__(self) -> None:
        check(self.num_layers >= 1, "model.num_layers", self.num_layers, "a whole number of at least 1")
        check(_is_vector(self.left), "model.left", self.left, "two finite numbers, not both 0")
        check(_is_vector(self.right), "model.right", self.right, "two finite numbers, not both 0")


@dataclass
class TpLinearOptimizer:
    """Gradient descent on the weights; states are recorded before each step and after the last."""

    lr: float = 0.3
    n_steps: int = 30

    def __post_init__(self) -> None:
        check(self.lr > 0, "optimizer.lr", self.lr, "a positive number")
        check(self.n_steps >= 1, "optimizer.n_steps", self.n_steps, "a whole number of at least 1")


@dataclass
class TpLinearData:
    """The one sample: input x_0 and desired output y."""

    x: list[float] = field(default_factory=lambda: [-1.5, -1.15])
    y: list[float] = field(default_factory=lambda: [1.0, 0.5])

    def __post_init__(self) -> None:
        check(_is_vector(self.x), "data.x", self.x, "two finite numbers, not both 0")
        check(len(self.y) == 2 and all(map(math.isfinite, self.y)), "data.y", self.y, "two finite numbers")


@dataclass
class TpLinear(Experiment):
    """How do activations, targets and weights move under target propagation and under backpropagation?"""

    variables: ClassVar[dict[str, Variable]] = {
        "activation": Variable(("rule", "step", "layer", "unit"), about="x_l before the step"),
        "target": Variable(("rule", "step", "layer", "unit"), about="t_l of the same state, by pseudo-inverses"),
        "output_gradient": Variable(("rule", "step", "layer", "unit"), about="∂L/∂x_l of the same state"),
        "loss": Variable(("rule", "step"), about="½ Σ (x_L − y)²"),
        "weight": Variable(("rule", "step", "matrix", "unit_out", "unit"), about="W_l before the step"),
        "weight_update": Variable(("rule", "step", "matrix", "unit_out", "unit"), about="what the step adds to W_l"),
        "update_row_space": Variable(
            ("rule", "step", "matrix", "unit"), about="unit vector that spans the row space of the update; any sign"
        ),
        "move_cosine": Variable(
            ("rule", "step", "matrix"), finite=False, about="cosine of the move of x_l and t_l − x_l"
        ),
        "move_ratio": Variable(
            ("rule", "step", "matrix"),
            finite=False,
            about="move of x_l along t_l − x_l over its length; above 1 it overshoots its target",
        ),
        "basis": Variable(("matrix", "subspace", "unit"), about="unit vectors of the first weights; any sign"),
        "y": Variable(("unit",), about="desired output"),
    }

    kind: str = "tp_linear"
    model: TpLinearModel = field(default_factory=TpLinearModel)
    #: rules that learn the same task, each from its own weights
    rule: list[str] = named(RULES, ["tp", "bp"], need="linear_errors")
    #: the rule whose targets x_l − e_l are recorded for the states of all
    targets: str = named(RULES, "tp", need="linear_errors")
    rule_options: dict[str, Any] = options_section()
    optimizer: TpLinearOptimizer = field(default_factory=TpLinearOptimizer)
    data: TpLinearData = field(default_factory=TpLinearData)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(len(self.rule) > 0, "rule", self.rule, "a list of at least one")
        settle_options(self)
        check(self.seed == [0], "seed", self.seed, "[0], because nothing is drawn at random")


def _is_vector(values: list[float]) -> bool:
    """Two finite numbers, not both 0."""
    return len(values) == 2 and all(map(math.isfinite, values)) and any(values)
