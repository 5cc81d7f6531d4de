"""A deep linear network learns hierarchical data. Imports no torch."""

from dataclasses import dataclass, field
from typing import ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check


@dataclass
class Tree:
    """Hierarchical data, with a feature of the user's own after the sampled ones where `new_feature` has values.

    `item` is the leaf whose prediction of the last feature is recorded.
    """

    levels: int = 3
    branches: int = 2
    flip: float = 0.15
    root_flip: float = 0.5
    num_features: int = 10000
    new_feature: list[int] = field(default_factory=list)
    item: int = 0

    def __post_init__(self) -> None:
        for name, value in (("levels", self.levels), ("branches", self.branches), ("num_features", self.num_features)):
            check(value >= 1, f"data.{name}", value, "a whole number of at least 1")
        for name, probability in (("flip", self.flip), ("root_flip", self.root_flip)):
            check(0 <= probability <= 1, f"data.{name}", probability, "a probability between 0 and 1")
        items = self.num_items
        valid = len(self.new_feature) in (0, items) and set(self.new_feature) <= {-1, 1}
        check(valid, "data.new_feature", self.new_feature, f"[] or {items} values of -1 or 1, one an item")
        check(0 <= self.item < items, "data.item", self.item, f"0 to {items - 1}")

    @property
    def num_items(self) -> int:
        """Leaves of the tree."""
        return self.branches**self.levels


@dataclass
class TwoLayers:
    """One hidden layer of `width` units; weights N(0, γ²/(in + out)) with γ = `init_scale`."""

    width: int = 30
    init_scale: list[float] = field(default_factory=lambda: [1e-12])

    def __post_init__(self) -> None:
        check(self.width >= 1, "model.width", self.width, "a whole number of at least 1")
        check_positive("model.init_scale", self.init_scale)


@dataclass
class Descent:
    """Full-batch gradient descent on the mean over all entries of the squared error."""

    lr: list[float] = field(default_factory=lambda: [100.0])
    epochs: int = 250

    def __post_init__(self) -> None:
        check_positive("optimizer.lr", self.lr)
        check(self.epochs >= 1, "optimizer.epochs", self.epochs, "a whole number of at least 1")


def check_positive(key: str, values: list[float]) -> None:
    """Raise a `UserError` unless `values` is a non-empty list of different positive numbers."""
    valid = len(set(values)) == len(values) > 0 and all(value > 0 for value in values)
    check(valid, key, values, "a non-empty list of positive numbers, without repetitions")


_MEMBER = ("seed", "init_scale", "weight_lr")
_EPOCH = (*_MEMBER, "epoch")


@dataclass
class DeepLinear(Experiment):
    """Members are seeds (of the tree and of the weights), initialisation scales γ and learning rates.

    Everything is recorded at every epoch: before its step, but singular values after it. A member that diverges leaves
    infinities and NaN.
    """

    variables: ClassVar[dict[str, Variable]] = {
        "loss": Variable(_EPOCH, finite=False, about="mean squared error"),
        "prediction": Variable(_EPOCH, finite=False, about="output of the last feature for the item `data.item`"),
        "singular_value": Variable((*_EPOCH, "mode"), finite=False, about="singular values of W_2 W_1"),
        "mode_curve": Variable((*_EPOCH, "mode"), about="closed form of the singular values"),
        "rsm": Variable((*_EPOCH, "item", "other_item"), finite=False, about="hidden · hiddenᵀ"),
        "target": Variable(("seed", "item", "feature"), about="features of the items, ±1"),
        "target_singular_value": Variable(("seed", "mode"), about="singular values of the targets"),
    }

    kind: str = "deep_linear"
    model: TwoLayers = field(default_factory=TwoLayers)
    optimizer: Descent = field(default_factory=Descent)
    data: Tree = field(default_factory=Tree)
