"""Schema of the activity Hessian at initialisation: extreme eigenvalues, spectra on two slices. Imports no torch."""

from dataclasses import dataclass, field
from typing import ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.core.registry import named
from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.names import Init, Parameterisation

#: the numerical Hessian, and for linear networks its closed form and the parts that the closed form splits into
MATRICES = ("numerical", "theory", "D", "O")


@dataclass
class HessianModel:
    """Networks as wide at input and output as inside; `act_fn`, `width` and `n_hidden` are members."""

    parameterisation: Parameterisation = Parameterisation.sp
    init: Init = Init.standard
    skips: bool = False
    act_fn: list[str] = named(ACTIVATIONS, ["linear"], need="second_derivative")
    width: list[int] = field(default_factory=lambda: [2])
    n_hidden: list[int] = field(default_factory=lambda: [2])

    def __post_init__(self) -> None:
        for name in ("act_fn", "width", "n_hidden"):
            values = getattr(self, name)
            check(
                len(values) > 0 and len(set(values)) == len(values),
                f"model.{name}",
                values,
                "a list of distinct values",
            )
        for name in ("width", "n_hidden"):
            check(min(getattr(self, name)) >= 1, f"model.{name}", getattr(self, name), "whole numbers of at least 1")


@dataclass
class HessianData:
    """One sample a seed: x ~ N(mean, std²) in every entry, y = x. α is the activity decay of the energy."""

    mean: float = 1.0
    std: float = 0.1
    activity_decay: float = 0.0
    #: networks of this width, and networks of this many hidden layers, whose whole spectrum is kept; None for none
    slice_width: int | None = None
    slice_n_hidden: int | None = None

    def __post_init__(self) -> None:
        check(self.std >= 0, "data.std", self.std, "a number of at least 0")
        check(self.activity_decay >= 0, "data.activity_decay", self.activity_decay, "a number of at least 0")


@dataclass
class ActivityHessian(Experiment):
    """How conditioned is inference at the start? A cell is one initialisation, over a whole grid of shapes and φ."""

    variables: ClassVar[dict[str, Variable]] = {
        "lambda_max": Variable(
            ("matrix", "act_fn", "n_hidden", "width", "seed"), finite=False, about="largest eigenvalue"
        ),
        "lambda_min": Variable(
            ("matrix", "act_fn", "n_hidden", "width", "seed"),
            finite=False,
            about="smallest eigenvalue, signed; all but `numerical` are NaN for networks that are not linear",
        ),
        "spectrum_over_depth": Variable(
            ("matrix", "act_fn", "n_hidden", "seed", "eigenvalue"),
            finite=False,
            about="all eigenvalues at data.slice_width, ascending; NaN fills up to the largest network's number",
        ),
        "spectrum_over_width": Variable(
            ("matrix", "act_fn", "width", "seed", "eigenvalue"),
            finite=False,
            about="all eigenvalues at data.slice_n_hidden, ascending; NaN fills up to the largest network's number",
        ),
    }

    kind: str = "activity_hessian"
    model: HessianModel = field(default_factory=HessianModel)
    data: HessianData = field(default_factory=HessianData)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "n_hidden"):
            value, allowed = getattr(self.data, f"slice_{name}"), getattr(self.model, name)
            check(value is None or value in allowed, f"data.slice_{name}", value, f"one of model.{name}={allowed}")

    @property
    def longest_spectrum(self) -> int:
        """Number of activities of the largest network whose whole spectrum is kept."""
        model, data = self.model, self.data
        return max((data.slice_width or 0) * max(model.n_hidden), (data.slice_n_hidden or 0) * max(model.width))
