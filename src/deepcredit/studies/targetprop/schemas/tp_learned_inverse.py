"""Schema of difference target propagation with learned inverses in a deep affine network. Imports no torch."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.core.registry import named, options_section
from deepcredit.data.settings import DataSettings
from deepcredit.rules.rule import RULES, settle_options


@dataclass
class TpLearnedModel:
    """`num_layers` affine layers, hidden ones of one width; weights N(0, weight_std²) cut off at two deviations."""

    num_layers: int = 5
    width: int = 100
    weight_std: float = 0.01
    bias: float = 0.1

    def __post_init__(self) -> None:
        check(self.num_layers >= 3, "model.num_layers", self.num_layers, "a whole number of at least 3")
        check(self.width >= 1, "model.width", self.width, "a whole number of at least 1")
        check(self.weight_std > 0, "model.weight_std", self.weight_std, "a positive number")


@dataclass
class TpLearnedOptimizer:
    """Gradient descent on the forward weights; the training set is evaluated every `record_every` iterations."""

    lr: float = 0.5
    n_steps: int = 10_000
    record_every: int = 100

    def __post_init__(self) -> None:
        check(self.lr > 0, "optimizer.lr", self.lr, "a positive number")
        check(self.n_steps >= 1, "optimizer.n_steps", self.n_steps, "a whole number of at least 1")
        holds = self.record_every >= 1 and self.n_steps % self.record_every == 0
        check(holds, "optimizer.record_every", self.record_every, f"a divisor of optimizer.n_steps={self.n_steps}")


@dataclass
class TpLearnedData(DataSettings):
    """Batches are drawn with replacement. The loss of classes is softmax cross-entropy, that of targets of its own (the
    ring's) half their mean squared error.
    """

    batch_size: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.batch_size >= 1, "data.batch_size", self.batch_size, "a whole number of at least 1")


@dataclass
class TpLearnedInverse(Experiment):
    """Does a deep affine network learn by targets through learned inverses? A cell is one rule on one data set."""

    variables: ClassVar[dict[str, Variable]] = {
        "loss": Variable(("seed", "step"), finite=False, about="mean loss over the training set; NaN once diverged"),
        "accuracy": Variable(("seed", "step"), finite=False, about="on the training set, %; NaN once diverged"),
        "layer_loss": Variable(
            ("seed", "step", "layer"),
            finite=False,
            about="½ mean (x_l − t_l)², mean over the iterations since the record before; NaN where the rule has none",
        ),
        "inverse_loss": Variable(
            ("seed", "step", "inverse_layer"),
            finite=False,
            about="inverse loss of g_l, mean over the iterations since the record before; NaN where the rule has none",
        ),
        "diverged_at": Variable(("seed",), finite=False, about="first record whose loss is not finite; NaN if none"),
        "majority_accuracy": Variable((), about="accuracy of always naming the largest class, %"),
        "n_classes": Variable((), about="number of classes"),
    }

    kind: str = "tp_learned_inverse"
    model: TpLearnedModel = field(default_factory=TpLearnedModel)
    rule: str = named(RULES, "bp", need="affine")
    rule_options: dict[str, Any] = options_section()
    optimizer: TpLearnedOptimizer = field(default_factory=TpLearnedOptimizer)
    data: TpLearnedData = field(default_factory=TpLearnedData)

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_options(self)
