"""The code fingerprint sees what can change a number and nothing else.

Expectations: which edits leave the meaning of a Python program alone.
"""

import pytest

from deepcredit.config.cells import cells_of
from deepcredit.rules.rule import RULES
from deepcredit.store import fingerprint as fp

MODULE = '''
"""Docstring."""
from __future__ import annotations
import math
from deepcredit.core.errors import check

SCALE: float = 2.0


def helper(x: float) -> float:
    """Docstring."""
    return SCALE * x  # comment


def other(x):
    return math.sqrt(x)


class Thing:
    """Docstring."""

    def method(self, x: int):
        check(x > 0, "x", x, "positive")
        return helper(x)
'''


def definitions(text: str) -> dict[str, str]:
    return fp._parse(text, "deepcredit.studies.some.example", False)["definitions"]


HARMLESS = {
    "a comment": ("# comment", "# another comment"),
    "a docstring": ('"""Docstring."""\n    return', '"""Explained at length."""\n    return'),
    "no docstring": ('    """Docstring."""\n    return', "    return"),
    "the module's docstring": ('"""Docstring."""\nfrom', '"""New."""\nfrom'),
    "an annotation": ("x: float) -> float", "x) -> object"),
    "a variable's annotation": ("SCALE: float", "SCALE: int"),
    "white space": ("\n\n\nclass", "\n\n\n\n\nclass"),
    "quotes": ('"positive"', "'positive'"),
}


@pytest.mark.parametrize("edit", HARMLESS)
def test_an_edit_that_cannot_change_a_number_changes_no_definition(edit: str) -> None:
    old, new = HARMLESS[edit]
    assert old in MODULE
    assert definitions(MODULE.replace(old, new)) == definitions(MODULE)


HARMFUL = {
    "helper": ("SCALE * x", "SCALE + x"),
    "SCALE": ("= 2.0", "= 3.0"),
    "Thing": ("x > 0", "x >= 0"),
    "other": ("math.sqrt(x)", "math.sqrt(x) + 0.0"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_an_edit_of_code_changes_the_definition_that_it_is_in_and_no_other(name: str) -> None:
    old, new = HARMFUL[name]
    before, after = definitions(MODULE), definitions(MODULE.replace(old, new))
    assert {d for d in before if before[d] != after[d]} == {name}


def test_types_of_options_count_as_used_and_those_of_other_parameters_do_not() -> None:
    text = (
        "class Panel:\n    look: Look = None\n"
        "def draw(data: Data, *, panels: list[Panel]) -> Figure:\n    return helper(panels)\n"
    )
    uses = fp._parse(text, "deepcredit.studies.some.example", False)["uses"]
    assert {"Panel", "helper"} <= set(uses["draw"])
    assert not {"Data", "Figure"} & set(uses["draw"])
    assert "Look" in uses["Panel"]


def test_imports_inside_functions_and_relative_imports_are_followed_and_type_checking_ones_are_not() -> None:
    text = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from deepcredit.figures import base\n"
        "def f():\n    from deepcredit.nets import mlp\n    return mlp\n"
        "from ...nets.names import Init\n"
    )
    module = fp._module(fp._parse(text, "deepcredit.studies.some.example", False))
    assert module.imports == {"deepcredit.nets.mlp", "deepcredit.nets.names"}


def test_an_experiment_reaches_the_modules_behind_those_it_imports() -> None:
    reached = fp.modules_reached("deepcredit.studies.mupc.experiments.activity_hessian")
    assert "deepcredit.rules.predictive_coding.energy" in reached
    assert "deepcredit.core.errors" in reached
    rooms = tuple(f"deepcredit.{room}" for room in ("figures", "store", "plan", "jobs", "page", "ask"))
    assert not [name for name in reached if name.startswith(rooms)]


def test_a_figure_reaches_its_helpers_but_not_the_other_figures_of_its_module() -> None:
    code = fp.code_of_functions([("deepcredit.studies.prospective.figures.prospective", "interference")])
    names = code["deepcredit.studies.prospective.figures.prospective"]
    assert "interference" in names
    assert "target_alignment_scatter" not in names
    assert "SEQUENCE" in code["deepcredit.figures.style"]


def test_a_figure_that_draws_rules_depends_on_how_they_look_and_an_array_does_not() -> None:
    drawn = fp.code_of_functions([("deepcredit.studies.prospective.figures.prospective", "interference")])
    assert all("RECORD" in drawn[f"deepcredit.rules.records.{name}"] for name in RULES.names)
    (cell,) = cells_of("interference", "ci")
    assert not [module for module in fp.code_of_cell(cell.config) if module.startswith("deepcredit.rules.records")]


@pytest.mark.parametrize(
    ("experiment", "own", "others"),
    [
        ("pc_gd", "predictive_coding", {"backprop", "linear_backprop", "affine_backprop", "target_propagation"}),
        ("bp_deep", "backprop", {"predictive_coding", "linear_backprop", "affine_backprop", "target_propagation"}),
        ("target_alignment_tp", "target_propagation", {"predictive_coding", "backprop", "affine_backprop"}),
        ("tp_leaving_chance", "affine_backprop", {"predictive_coding", "backprop", "target_propagation"}),
    ],
)
def test_an_array_depends_on_the_rule_that_its_settings_name_and_on_no_other(
    experiment: str, own: str, others: set[str]
) -> None:
    code = fp.code_of_cell(cells_of(experiment, "ci")[0].config)
    reached = {module.split(".")[2] for module in code if module.startswith("deepcredit.rules.")}
    assert own in reached
    assert not reached & {*others, "costs"}
