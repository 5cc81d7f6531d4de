"""What a reader of the page moves through beside a figure: built by the figure's study, from arrays that are there."""

from typing import Any

from deepcredit.config.studies import STUDIES
from deepcredit.core.registry import load
from deepcredit.plan.plan import Plan, PlannedFigure
from deepcredit.plan.state import is_file, missing_arrays
from deepcredit.store.store import read_all


def explorer(plan: Plan, figure: PlannedFigure) -> dict[str, Any] | None:
    """The data of a figure's explorer, ready for JSON; None where it has none or its arrays are not there."""
    known = STUDIES[figure.study].explorers.get(figure.config["draw"])
    if known is None or missing_arrays(plan, figure):
        return None
    also = {
        role: name for role, name in known.also.items() if name in plan.cells and all(map(is_file, plan.paths(name)))
    }
    return load(known.build)(read_all(plan.paths_by_role({**figure.experiments, **also})), **figure.config["options"])
