"""How the figures of this study draw rules and background, and how they find the trajectory of a rule."""

from typing import Any

import xarray as xr

from deepcredit.figures.base import Cells
from deepcredit.figures.cells import at, only
from deepcredit.rules.rule import RULES

GREY, PINK = "#8c8c8c", "#CC79A7"

#: where curves coincide, the thin dark one shows on top of the broad one
EMPHASIS: dict[str, dict[str, Any]] = {"tp": {"linewidth": 2.0, "zorder": 2}, "bp": {"linewidth": 1.0, "zorder": 3}}


def rule_line(rule: str) -> dict[str, Any]:
    """How the curves of a rule are drawn; those that have no emphasis lie on top."""
    return {"color": RULES[rule].color} | EMPHASIS.get(rule, {"linewidth": 1.0, "zorder": 4})


def steps_of_rule(linear: Cells, rule: str) -> xr.Dataset:
    """The trajectory of one rule; `NotTestable` where it was not computed."""
    return at(only(linear), rule=rule)
