"""The rectified linear unit in compiled steps."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Relu(NamedTuple):
    """φ(z) = max(0, z). What is not a number stays so."""

    @staticmethod
    def value(number: type[np.floating]) -> Callable[..., Any]:
        zero = number(0)
        return lambda z: zero if z <= 0 else z

    @staticmethod
    def pull_back(number: type[np.floating]) -> Callable[..., Any]:
        zero = number(0)
        return lambda sent, z, phi: zero if phi <= 0 else sent
