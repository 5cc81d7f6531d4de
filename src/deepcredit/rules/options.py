"""Options of predictive coding with a learning rate that is halved where the energy stalls. Imports no torch."""

from dataclasses import dataclass

from deepcredit.core.errors import check


@dataclass
class HalvingInference:
    """`n_steps` of gradient descent on the summed energy, learning rate halved where it stalls."""

    lr: float = 0.1
    n_steps: int = 128

    def __post_init__(self) -> None:
        check(self.lr > 0, "inference.lr", self.lr, "a positive number")
        check(self.n_steps >= 1, "inference.n_steps", self.n_steps, "a whole number of at least 1")
