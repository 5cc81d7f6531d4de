"""Numbers as they are written in figures: one way for each purpose, with a true minus sign."""

import numpy as np


def number(value: float, spec: str = "g") -> str:
    """A number in Python's format `spec`; a dash for what is not finite."""
    return f"{value:{spec}}".replace("-", "−") if np.isfinite(value) else "–"


def power_of_ten(value: float) -> str:
    """The nearest power of ten, in mathtext."""
    return rf"10^{{{round(np.log10(value))}}}"


def compact(value: float) -> str:
    """Three digits between 0.01 and 1,000, and otherwise one digit and a power of ten, in mathtext."""
    if value == 0 or 1e-2 <= abs(value) < 1e3:
        return number(value, ".3g")
    mantissa, exponent = f"{value:.0e}".split("e")
    return rf"${mantissa}\cdot10^{{{int(exponent)}}}$"
