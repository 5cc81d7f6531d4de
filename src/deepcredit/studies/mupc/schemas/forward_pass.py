"""Schema of the norms of activities and weights over the first steps of backpropagation. Imports no torch."""

from dataclasses import dataclass, field
from typing import ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.core.registry import named
from deepcredit.data.settings import ImageSettings
from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.names import Algorithm, Init, Parameterisation

#: layers that are recorded, as fractions of the depth L; the first one is layer 1
FRACTIONS = {"1": 0.0, "L/4": 0.25, "L/2": 0.5, "3L/4": 0.75, "L": 1.0}

MEMBERS = ("act_fn", "optimizer", "num_layers", "seed")


@dataclass
class ForwardModel:
    """Networks of one width; `act_fn` and `num_layers`, the number L of weight matrices, are members."""

    parameterisation: Parameterisation = Parameterisation.depth_mup
    init: Init = Init.standard_gauss
    skips: bool = True
    width: int = 128
    act_fn: list[str] = named(ACTIVATIONS, ["linear"])
    num_layers: list[int] = field(default_factory=lambda: [16])

    def __post_init__(self) -> None:
        check(self.width >= 1, "model.width", self.width, "a whole number of at least 1")
        for name in ("act_fn", "num_layers"):
            values = getattr(self, name)
            check(
                len(values) > 0 and len(set(values)) == len(values),
                f"model.{name}",
                values,
                "a list without repetitions",
            )
        whole = all(depth >= 4 and depth % 4 == 0 for depth in self.num_layers)
        check(whole, "model.num_layers", self.num_layers, "multiples of 4, as layers L/4 … 3L/4 are recorded")


@dataclass
class ForwardOptimizer:
    """Steps on the mean over all entries of (y − ŷ)²; `gd` and `adam` are members."""

    name: list[Algorithm] = field(default_factory=lambda: [Algorithm.gd])
    lr: float = 0.001
    n_steps: int = 5

    def __post_init__(self) -> None:
        names = [n.value for n in self.name]
        check(len(names) > 0 and len(set(names)) == len(names), "optimizer.name", names, "a list without repetitions")
        check(self.lr > 0, "optimizer.lr", self.lr, "a positive number")


@dataclass
class ForwardPass(Experiment):
    """Do activities keep their size through depth and width? A cell is one width with one parameterisation."""

    variables: ClassVar[dict[str, Variable]] = {
        "mean_abs": Variable((*MEMBERS, "layer", "step"), finite=False, about="mean |z_l| over batch and units"),
        "rms": Variable(
            (*MEMBERS, "layer", "step"), finite=False, about="root mean square of z_l over batch and units"
        ),
        "frobenius_norm": Variable((*MEMBERS, "layer", "step"), finite=False, about="‖W_l‖_F"),
        "spectral_norm": Variable((*MEMBERS, "layer", "step"), finite=False, about="‖W_l‖₂"),
    }

    kind: str = "forward_pass"
    model: ForwardModel = field(default_factory=ForwardModel)
    optimizer: ForwardOptimizer = field(default_factory=ForwardOptimizer)
    data: ImageSettings = field(default_factory=ImageSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.data.check_batches(self.optimizer.n_steps, "optimizer.n_steps")
