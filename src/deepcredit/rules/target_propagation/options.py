"""Options of target propagation, which stand under `rule_options` in a config. Imports no torch."""

from dataclasses import dataclass

from deepcredit.core.errors import check


@dataclass
class TargetOptions:
    """`target_lr` is α in the target of the output, t_L = x_L − α ∂L/∂x_L."""

    target_lr: float = 0.3

    def __post_init__(self) -> None:
        check(self.target_lr > 0, "rule_options.target_lr", self.target_lr, "a positive number")


@dataclass
class InverseOptions:
    """`target_lr` is α of the targets, `inverse_lr` the learning rate of the inverses."""

    target_lr: float = 1.0
    inverse_lr: float = 0.5

    def __post_init__(self) -> None:
        for key, value in (("target_lr", self.target_lr), ("inverse_lr", self.inverse_lr)):
            check(value > 0, f"rule_options.{key}", value, "a positive number")
