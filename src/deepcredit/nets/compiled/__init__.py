"""What an activation function brings to compiled steps of inference: a type by which numba tells it from others.

Numba compiles a sweep anew for every kernel, and puts the kernel's arithmetic into its loops. Compiled code is kept on
disk until a file of this folder, of the sweeps' or of the package that brings a kernel has changed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import njit, types
from numba.extending import overload

#: what numba compiles
Scalar = TypeVar("Scalar", bound=Callable[..., Any])


class Kernel(NamedTuple):
    """Derive `class Mine(NamedTuple)` with these two static methods, each made for numbers of the type `number`.

    Arithmetic only, so that the compiler computes as many at once as a vector register holds.
    """

    @staticmethod
    def value(number: type[np.floating]) -> Callable[..., Any]:
        """The function z ↦ φ(z)."""
        raise NotImplementedError

    @staticmethod
    def pull_back(number: type[np.floating]) -> Callable[..., Any]:
        """The function (sent, z, φ(z)) ↦ sent · φ′(z)."""
        raise NotImplementedError


inline = njit(inline="always", error_model="numpy")


def value(kernel, z):  # type: ignore[no-untyped-def]
    """φ(z) in compiled code."""


def pull_back(kernel, sent, z, phi):  # type: ignore[no-untyped-def]
    """sent · φ′(z) in compiled code."""


@overload(value)
def _value(kernel, z):  # type: ignore[no-untyped-def]
    compute = inline(kernel.instance_class.value(_number(z)))
    return lambda kernel, z: compute(z)


@overload(pull_back)
def _pull_back(kernel, sent, z, phi):  # type: ignore[no-untyped-def]
    compute = inline(kernel.instance_class.pull_back(_number(z)))
    return lambda kernel, sent, z, phi: compute(sent, z, phi)


def _number(kind: types.Float) -> type[np.floating]:
    """The numpy type of numbers that numba knows as `kind`."""
    return np.dtype(kind.name).type
