"""Which arrays an edit of an activation function makes stale: those that it computed.

Expectations: the settings of the cells of scale=ci.
"""

import json
from pathlib import Path

import pytest

from deepcredit.nets.activations import ACTIVATIONS
from tests.clones import Clone

#: with every activation function of the figures, and one without any; prints where the arrays of all cells are, and
#: which activation functions each of them names
CELLS = """
import json
from deepcredit.config.cells import cells_of
from deepcredit.core.registry import choices
from deepcredit.store.address import path_of

EXPERIMENTS = ("mupc_depth", "activity_hessian", "target_alignment_activation", "interference")
cells = [cell for name in EXPERIMENTS for cell in cells_of(name, "ci")]
named = [[c.name for c in choices(cell.config) if c.registry.group == "deepcredit.activations"] for cell in cells]
print(json.dumps([(path_of(cell).name, names) for cell, names in zip(cells, named)]))
"""


def cells(clone: Clone) -> list[tuple[str, list[str]]]:
    done = clone.run("-c", CELLS)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def source(clone: Clone, *parts: str) -> Path:
    return clone.root.joinpath("src", "deepcredit", "nets", *parts)


@pytest.mark.timeout(600)
def test_an_edit_makes_the_arrays_stale_that_the_function_computed_and_no_others(clone: Clone) -> None:
    before = cells(clone)
    assert {name for _, names in before for name in names} == {"linear", "tanh", "relu", "sigmoid"}

    def stale() -> list[bool]:
        return [old != new for (old, _), (new, _) in zip(before, cells(clone), strict=True)]

    record = source(clone, "activations", "tanh.py")
    clone.edit(record, "seconds=5e-10", "seconds=6e-10")
    assert not any(stale())
    clone.edit(record, "1 - phi.square()", "1.0 - phi.square()")
    assert stale() == ["tanh" in names for _, names in before]
    clone.edit(record, "1.0 - phi.square()", "1 - phi.square()")
    clone.edit(source(clone, "compiled", "relu.py"), "phi <= 0", "phi < 0")
    assert stale() == ["relu" in names for _, names in before]


def test_a_record_s_numbers_and_its_choice_of_functions_are_facts_and_its_cost_is_none() -> None:
    facts = ACTIVATIONS["tanh"].facts()
    assert facts["gain"] == 5 / 3
    assert facts["slope"] == "deepcredit.nets.activations.tanh:slope"
    assert not {"name", "seconds"} & {*facts}
