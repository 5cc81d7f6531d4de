"""Options of inference, a config's section `inference`, each with its default and its range. Imports no torch."""

import math
from dataclasses import dataclass, replace
from typing import Any

from deepcredit.core.errors import check
from deepcredit.nets.names import Algorithm

#: `inference.max_t` that stands for as many steps as there are hidden layers
AS_DEEP = "n_hidden"


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def numbers(key: str, value: Any) -> list[float]:
    """`value` as a list of different numbers of at least 0; a single number is a list of one."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    allowed = "a number of at least 0, or a list of such, each once"
    check(len(values) > 0 and all(is_number(v) and v >= 0 for v in values), key, value, allowed)
    check(len(set(values)) == len(values), key, value, allowed)
    return [float(v) for v in values]


@dataclass
class SteppedInference:
    """Steps of inference in a training. `max_t` is T, or `n_hidden` for as many steps as hidden layers.

    Rates and decays are members of a stack: a number, or a list of them.
    """

    lr: Any = 0.5
    algorithm: Algorithm = Algorithm.gd
    max_t: Any = AS_DEEP
    activity_decay: Any = 0.0

    def __post_init__(self) -> None:
        self.lr = numbers("inference.lr", self.lr)
        self.activity_decay = numbers("inference.activity_decay", self.activity_decay)
        whole = isinstance(self.max_t, int) and not isinstance(self.max_t, bool) and self.max_t >= 0
        allowed = f"a whole number of at least 0, or {AS_DEEP}"
        check(whole or self.max_t == AS_DEEP, "inference.max_t", self.max_t, allowed)

    def steps(self, n_hidden: int) -> int:
        """T, the number of inference steps, in a network of so many hidden layers."""
        return n_hidden if self.max_t == AS_DEEP else self.max_t

    def members(self) -> list["SteppedInference"]:
        """The options of a member for every rate and decay, the decay fastest."""
        return [replace(self, lr=lr, activity_decay=decay) for lr in self.lr for decay in self.activity_decay]


@dataclass
class HalvingInference:
    """`n_steps` of gradient descent on the summed energy, learning rate halved where it stalls."""

    lr: float = 0.1
    n_steps: int = 128

    def __post_init__(self) -> None:
        check(self.lr > 0, "inference.lr", self.lr, "a positive number")
        check(self.n_steps >= 1, "inference.n_steps", self.n_steps, "a whole number of at least 1")


@dataclass
class NewtonInference:
    r"""When a search stops: at $\|\partial F/\partial z\| \le$ `tolerance` (with the 1/B), or after `max_products`.

    A product is one pass down and up the network, as in one step of gradient descent.
    """

    tolerance: float = 1e-6
    max_products: int = 5000

    def __post_init__(self) -> None:
        check(self.tolerance > 0, "inference.tolerance", self.tolerance, "a positive number")
        check(self.max_products >= 1, "inference.max_products", self.max_products, "a whole number of at least 1")
