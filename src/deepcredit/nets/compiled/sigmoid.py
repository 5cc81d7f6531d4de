"""The logistic function in compiled steps, by the hyperbolic tangent."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from deepcredit.nets.compiled import inline
from deepcredit.nets.compiled.tanh import tanh_of


class Sigmoid(NamedTuple):
    """φ(z) = 1/(1 + e⁻ᶻ) = ½ + ½ tanh(½ z)."""

    @staticmethod
    def value(number: type[np.floating]) -> Callable[..., Any]:
        half, tanh = number(0.5), inline(tanh_of(number))
        return lambda z: half + half * tanh(half * z)

    @staticmethod
    def pull_back(number: type[np.floating]) -> Callable[..., Any]:
        return lambda sent, z, phi: sent * (phi - phi * phi)
