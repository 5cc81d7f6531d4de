"""Schema of `conf/figure/<group>/<id>.yaml`: what a figure reads, draws and claims. Imports no torch.

What may stand in `options` is said by the signatures of the functions that take them (`deepcredit.config.binding`).
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


@dataclass
class Claim:
    """A checkable sentence of the source.

    `check` names a function of the figure's module. `published` is what the source reports, `tolerance` how far
    the number measured may lie from it; both are handed to the function.
    """

    check: str = MISSING
    text: str = MISSING
    published: Any = None
    tolerance: float | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Figure:
    """One figure: the experiments it reads by role, the function that draws it, its caption, its claims."""

    title: str = MISSING
    draw: str = MISSING
    experiments: dict[str, str] = field(default_factory=dict)
    caption: str = MISSING
    claims: list[Claim] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Figures:
    """`conf/figures.yaml`: settings of all figures."""

    style: str | None = None
