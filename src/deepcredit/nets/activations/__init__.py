"""Element-wise activation functions φ of networks: what one is, and those there are. Imports no torch.

An activation function is one file with a `RECORD`: here, or in an installed package that names it under the entry-point
group `deepcredit.activations`. Its functions import torch when they are called, so that configs are read without it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

from deepcredit.core.errors import UserError
from deepcredit.core.registry import Record, Registry, module_of

if TYPE_CHECKING:
    from torch import Tensor

#: fields of a record that change no number
_NO_NUMBERS = ("name", "seconds")


class Value(Protocol):
    """How φ is called."""

    def __call__(self, z: Tensor, out: Tensor | None = None) -> Tensor:
        """φ(z), written into `out` if given."""


#: a derivative of φ, from z and φ(z)
Derivative = Callable[["Tensor", "Tensor"], "Tensor"]


@dataclass(frozen=True, kw_only=True)
class Activation(Record):
    """An activation function; z, φ(z) and what is sent back are tensors of one shape, of any floating-point type.

    The functions are those of a module, so that an edit of one makes the arrays stale that it computed; raises a
    `UserError` for any other. What an activation function has decides where it may be used.
    """

    value: Value
    #: φ′ from z and φ(z); in a kink the slope from the left. Automatic differentiation must be able to pass through it.
    slope: Derivative
    #: φ″ from z and φ(z), zero in kinks; None where Hessians and Newton's method are not to take it
    second_derivative: Derivative | None = None
    #: the last argument ∘ φ′(z), in place and in one pass, from z, φ(z) and it; None for a product with the slope
    backward: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    #: φ(z) = z, so that the equilibrium of inference and the Hessian follow from the weights
    linear: bool = False
    #: φ(z) = max(0, z): Newton's method lets activities rest in its kink
    rectifies: bool = False
    #: factor of initial weights that suits φ: `torch.nn.init.calculate_gain` for those it knows, else E[φ(z)²]^(−½)
    #: for z ~ N(0, 1), with which pre-activations keep their size from layer to layer
    gain: float = 1.0
    #: factor of orthogonal weights in training
    orthogonal_gain: float = 1.0
    #: its part in compiled steps of inference, a `deepcredit.nets.compiled.Kernel` named as `module:class`; None where
    #: nobody wrote one, and torch takes the steps
    kernel: str | None = None
    #: of the nominal core, for one number within a step of inference, beyond what a linear network takes; without a
    #: kernel that is mostly the steps by torch
    seconds: float = 5e-9

    def __post_init__(self) -> None:
        for field, function in self._functions.items():
            if not _defined_by_a_module(function):
                raise UserError(
                    f"activation function {self.name!r}: {field}={function!r} is not valid; allowed: a function that "
                    "its module defines by `def`, so that an edit of it is noticed"
                )

    def allows(self, need: str) -> bool:
        """Whether it has what a setting needs of it: `second_derivative`, `linear`, or nothing."""
        return not need or bool(getattr(self, need))

    def code(self, need: str) -> tuple[str, ...]:  # noqa: ARG002 - the same for all needs
        """The modules of its functions and of its kernel."""
        modules = {function.__module__ for function in self._functions.values()}
        return tuple(sorted(modules | ({module_of(self.kernel)} if self.kernel else set())))

    def facts(self) -> Mapping[str, Any]:
        """Which functions and numbers it consists of."""
        return {field: _named(value) for field, value in self._fields.items() if field not in _NO_NUMBERS}

    def pull_back(self, z: Tensor, phi: Tensor, sensitivity: Tensor) -> Tensor:
        """`sensitivity` ∘ φ′(z): the vector-Jacobian product, given `phi` = φ(z)."""
        return sensitivity if self.linear else sensitivity * self.slope(z, phi)

    def pull_back_(self, z: Tensor, phi: Tensor, sensitivity: Tensor) -> Tensor:
        """The same in place."""
        if self.linear:
            return sensitivity
        if self.backward is None:
            return sensitivity.mul_(self.slope(z, phi))
        return self.backward(z, phi, sensitivity)

    def bend(self, z: Tensor, phi: Tensor) -> Tensor:
        """φ″(z). Raises a `UserError` where it has none."""
        if self.second_derivative is None:
            raise UserError(f"activation function {self.name!r} has no second derivative, which this needs")
        return self.second_derivative(z, phi)

    @property
    def _fields(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def _functions(self) -> dict[str, Any]:
        return {field: value for field, value in self._fields.items() if callable(value)}


def _defined_by_a_module(function: Any) -> bool:
    return isinstance(function, FunctionType) and function.__qualname__.isidentifier()


def _named(value: Any) -> Any:
    return f"{value.__module__}:{value.__qualname__}" if callable(value) else value


ACTIVATIONS: Registry[Activation] = Registry(
    "activation function", Activation, package="deepcredit.nets.activations", group="activations"
)
