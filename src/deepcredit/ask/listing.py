"""Every figure and every experiment with its state, its cells and what it is expected to cost at each scale."""

from collections.abc import Iterable, Mapping, Sequence

from deepcredit.core import words
from deepcredit.core.words import aligned
from deepcredit.plan.plan import Plan, PlannedCell
from deepcredit.plan.state import is_file, state
from deepcredit.store.provenance import earlier_builds


def listing(scale: str, plans: Mapping[str, Plan]) -> list[str]:
    """Two tables as lines: states at `scale`, costs at the scales of all `plans`."""
    head = ["cells", *(f"cost at {name}" for name in plans)]
    figures = [
        [figure.id, state(plans[scale], figure), *_cells_and_costs(figure.experiments.values(), scale, plans)]
        for figure in plans[scale].figures.values()
    ]
    experiments = [
        [name, experiment_state(name, cells), *_cells_and_costs([name], scale, plans)]
        for name, cells in plans[scale].cells.items()
    ]
    note = "Cells: in the store / at this scale. Costs are those of all cells on one core, whether in the store or not."
    return [
        *aligned([["figure", f"at {scale}", *head], *figures]),
        "",
        *aligned([["experiment", f"at {scale}", *head], *experiments]),
        "",
        note,
    ]


def experiment_state(name: str, cells: Sequence[PlannedCell]) -> str:
    """`fresh` (all arrays are there), `stale` (some are, or were computed before), or `missing`."""
    if all(is_file(cell.path) for cell in cells):
        return "fresh"
    return "stale" if earlier_builds(name) else "missing"


def _cells_and_costs(experiments: Iterable[str], scale: str, plans: Mapping[str, Plan]) -> list[str]:
    names = list(dict.fromkeys(experiments))
    cells = {at: [cell for name in names for cell in plan.cells[name]] for at, plan in plans.items()}
    there = sum(is_file(cell.path) for cell in cells[scale])
    return [f"{there}/{len(cells[scale])}", *(words.cost(expected_cost(found)) for found in cells.values())]


def expected_cost(cells: Iterable[PlannedCell]) -> float:
    """Seconds that one core is expected to take for the cells."""
    return sum(cell.seconds for cell in cells)
