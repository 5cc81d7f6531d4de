"""Linear regression solved three ways: closed form, a network without and with a hidden layer. Imports no torch."""

from dataclasses import dataclass, field
from typing import ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.studies.saxe.schemas.deep_linear import Tree


@dataclass
class Regressor:
    """The network with a hidden layer: `width` units, weights N(0, γ²/(in + out)) with γ = `init_scale`."""

    width: int = 30
    init_scale: float = 1e-12

    def __post_init__(self) -> None:
        check(self.width >= 1, "model.width", self.width, "a whole number of at least 1")
        check(self.init_scale > 0, "model.init_scale", self.init_scale, "a positive number")


@dataclass
class Descents:
    """Full-batch gradient descent: learning rates with (`lr`) and without (`zero_depth_lr`) a hidden layer."""

    lr: float = 100.0
    zero_depth_lr: float = 1000.0
    epochs: int = 250

    def __post_init__(self) -> None:
        check(self.lr > 0, "optimizer.lr", self.lr, "a positive number")
        check(self.zero_depth_lr > 0, "optimizer.zero_depth_lr", self.zero_depth_lr, "a positive number")
        check(self.epochs >= 1, "optimizer.epochs", self.epochs, "a whole number of at least 1")


@dataclass
class Regression(Tree):
    """The tree's features, and a small regression beside them: a square integer matrix seen through noisy samples."""

    matrix_size: int = 3
    num_samples: int = 37
    noise: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.matrix_size >= 1, "data.matrix_size", self.matrix_size, "a whole number of at least 1")
        allowed = f"a whole number of at least data.matrix_size={self.matrix_size}"
        check(self.num_samples >= self.matrix_size, "data.num_samples", self.num_samples, allowed)
        check(self.noise >= 0, "data.noise", self.noise, "a number of at least 0")


@dataclass
class LinearRegression(Experiment):
    """Members are seeds. `solution` is analytic, zero_depth or deep."""

    variables: ClassVar[dict[str, Variable]] = {
        "weight": Variable(("seed", "solution", "feature", "item"), finite=False, about="weights at the end"),
        "loss": Variable(("seed", "network", "epoch"), finite=False, about="mean squared error before every step"),
        "true_matrix": Variable(("seed", "row", "column"), about="integers from 0 to 9"),
        "recovered_matrix": Variable(("seed", "row", "column"), about="regression on the noisy samples"),
    }

    kind: str = "linear_regression"
    model: Regressor = field(default_factory=Regressor)
    optimizer: Descents = field(default_factory=Descents)
    data: Regression = field(default_factory=Regression)
