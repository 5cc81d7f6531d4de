"""Schema of training at the equilibrium of inference, not after some steps towards it. Imports no torch."""

from dataclasses import dataclass, field
from typing import ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.core.registry import named
from deepcredit.data.settings import ImageSettings
from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.names import Init, Parameterisation
from deepcredit.rules.options import NewtonInference


@dataclass
class EquilibriumModel:
    """Networks of several widths, trained one beside the other."""

    parameterisation: Parameterisation = Parameterisation.mupc
    init: Init = Init.standard_gauss
    act_fn: str = named(ACTIVATIONS, "linear", need="second_derivative")
    skips: bool = True
    n_hidden: int = 1
    width: list[int] = field(default_factory=lambda: [1])

    def __post_init__(self) -> None:
        check(self.n_hidden >= 1, "model.n_hidden", self.n_hidden, "a whole number of at least 1")
        distinct = len(self.width) > 0 and len(set(self.width)) == len(self.width) and min(self.width) >= 1
        check(distinct, "model.width", self.width, "a list of distinct whole numbers of at least 1")


@dataclass
class EquilibriumOptimizer:
    """Adam on all weights, for `n_steps` iterations of an epoch."""

    lr: float = 0.001
    n_steps: int = 1

    def __post_init__(self) -> None:
        check(self.lr > 0, "optimizer.lr", self.lr, "a positive number")


@dataclass
class EquilibriumTraining(Experiment):
    """How far is the energy that predictive coding descends from the loss? A cell is one depth; widths are members."""

    variables: ClassVar[dict[str, Variable]] = {
        "loss": Variable(("width", "seed", "step"), finite=False, about="½ mean ‖y − ŷ‖² before the update"),
        "energy": Variable(("width", "seed", "step"), finite=False, about="F at the equilibrium, before the update"),
        "ratio": Variable(("width", "seed", "step"), finite=False, about="loss over energy"),
        "inference_steps": Variable(
            ("width", "seed", "step"), about="products that finding the equilibrium took; 0 where it is known exactly"
        ),
        "gradient_norm": Variable(
            ("width", "seed", "step"), finite=False, about="‖∂F/∂z‖ where the search ended; 0 where it is exact"
        ),
    }

    kind: str = "equilibrium_training"
    model: EquilibriumModel = field(default_factory=EquilibriumModel)
    #: how networks that are not linear find their equilibrium
    inference: NewtonInference = field(default_factory=NewtonInference)
    optimizer: EquilibriumOptimizer = field(default_factory=EquilibriumOptimizer)
    data: ImageSettings = field(default_factory=ImageSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.data.check_batches(self.optimizer.n_steps, "optimizer.n_steps")
