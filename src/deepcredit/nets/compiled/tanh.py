"""The hyperbolic tangent in compiled steps."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

#: degree of the Taylor series of eʳ, and the 2|x| from which on the result is 1
_SERIES = {np.float32: (7, 20.0), np.float64: (13, 44.0)}


class Tanh(NamedTuple):
    """φ(z) = tanh z."""

    @staticmethod
    def value(number: type[np.floating]) -> Callable[..., Any]:
        return tanh_of(number)

    @staticmethod
    def pull_back(number: type[np.floating]) -> Callable[..., Any]:
        return lambda sent, z, phi: sent - sent * phi * phi


@intrinsic
def _power_of_two(_, exponent):  # type: ignore[no-untyped-def]
    """2ⁿ for a whole n of a floating-point type, by its bits."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        kind = arguments[0].type
        bits, bias, fraction = (64, 1023, 52) if isinstance(kind, ir.DoubleType) else (32, 127, 23)
        whole = ir.IntType(bits)
        biased = builder.add(builder.fptosi(arguments[0], whole), whole(bias))
        return builder.bitcast(builder.shl(biased, whole(fraction)), kind)

    return exponent(exponent), generate


def tanh_of(number: type[np.floating]) -> Callable[..., Any]:
    r"""The hyperbolic tangent to two units in the last place: $\tanh|x| = m/(m+2)$ with $m = e^t - 1$, $t = 2|x|$.

    With $t = n\ln2 + r$, $|r| \le \frac12\ln2$: $m = 2^n(e^r-1) + (2^n-1)$, and $e^r-1$ by its Taylor series.
    """
    degree, largest = _SERIES[number]
    half, one, two, limit = number(0.5), number(1), number(2), number(largest)
    terms = tuple(number(1 / math.factorial(k)) for k in range(degree, 0, -1))
    per_ln2 = number(1 / math.log(2))
    # n ln2 in two parts, the first of so few bits that the product is exact
    coarse = 0.693359375
    ln2, ln2_rest = number(coarse), number(math.log(2) - coarse)

    def tanh(x):  # type: ignore[no-untyped-def]
        t = abs(x) * two
        if t > limit:
            t = limit
        n = np.floor(t * per_ln2 + half)
        r = (t - n * ln2) - n * ln2_rest
        series = terms[0]
        for term in terms[1:]:
            series = series * r + term
        power = _power_of_two(n)  # type: ignore[call-arg, var-annotated]
        m = power * (series * r) + (power - one)
        return math.copysign(m / (m + two), x)

    return tanh
