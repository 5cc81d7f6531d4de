"""How the figures of this study draw rules and background, and how they find the trajectory of a rule."""

from typing import Any

import xarray as xr

from deepcredit.figures.base import Cells
from deepcredit.figures.cells import at, only
from deepcredit.figures.style import RULE_COLORS

GREY, PINK = "#8c8c8c", "#CC79A7"

#: where curves coincide, the thin dark one shows on top of the broad one
RULE_LINES: dict[str, dict[str, Any]] = {
    "TP": {"color": RULE_COLORS["TP"], "linewidth": 2.0, "zorder": 2},
    "BP": {"color": RULE_COLORS["BP"], "linewidth": 1.0, "zorder": 3},
}


def steps_of_rule(linear: Cells, rule: str) -> xr.Dataset:
    """The trajectory of one rule; `NotTestable` where it was not computed."""
    return at(only(linear), rule=rule)
