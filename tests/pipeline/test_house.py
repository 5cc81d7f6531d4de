"""The house stands as it was drawn: no cycle, small files and functions, papers only in their own rooms.

Expectations: "The house" of the design; dependencies between rooms are in `test_planning.py`.
"""

import ast
import graphlib
import re
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from deepcredit.config.studies import STUDIES, kinds, study_of
from deepcredit.config.trees import leaves
from deepcredit.core import paths
from deepcredit.core.registry import OWN
from deepcredit.nets.names import Parameterisation
from deepcredit.plan.plan import plan
from deepcredit.store import fingerprint as fp
from tests.pipeline.test_planning import ALLOWED, SCIENCE

PYTHON = sorted(paths.PACKAGE.rglob("*.py"))

#: what else computes, draws or shows: templates, scripts, the workflow
OTHER = sorted(
    path
    for folder, patterns in {
        paths.PACKAGE: ("*.js", "*.css", "*.j2", "*.mplstyle"),
        paths.root() / "workflow": ("*.smk", "*.yaml", "*.rst"),
        paths.root(): ("Snakefile", "profiles/*/*.yaml"),
    }.items()
    for pattern in patterns
    for path in (folder.glob(pattern) if folder == paths.root() else folder.rglob(pattern))
)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(paths.PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


# --- sizes --------------------------------------------------------------------------------------------------------


def test_no_file_has_400_lines() -> None:
    tests = [path for name in ("tests", "benchmarks", "tools") for path in (paths.root() / name).rglob("*.py")]
    sizes = {paths.relative(p): len(p.read_text(encoding="utf-8").splitlines()) for p in [*PYTHON, *OTHER, *tests]}
    assert {name: size for name, size in sizes.items() if size >= 400} == {}


def test_functions_are_short() -> None:
    """Median 6 lines, nine in ten at most 15, from `def` to the last line with the docstring."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in PYTHON]
    functions = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = [(function.end_lineno or 0) - function.lineno + 1 for function in functions]
    assert statistics.median(lengths) <= 6
    assert sum(length <= 15 for length in lengths) >= 0.9 * len(lengths)


# --- imports ------------------------------------------------------------------------------------------------------


def test_every_room_is_in_the_table_of_dependencies() -> None:
    rooms = {path.parent.name for path in paths.PACKAGE.glob("*/__init__.py")}
    assert rooms == set(ALLOWED)


def test_no_import_goes_in_a_circle() -> None:
    """Those inside functions included."""
    imports = {name: fp.parsed(name).imports - {name} for name in map(module_name, PYTHON)}
    list(graphlib.TopologicalSorter(imports).static_order())


def test_no_study_imports_another() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name in map(module_name, PYTHON)
        for imported in fp.parsed(name).imports
        if imported.startswith("deepcredit.studies.") and room_of(name) not in ("", room_of(imported))
    ]
    assert wrong == []


def room_of(module: str) -> str:
    """The study that a module belongs to; '' for one of no study."""
    parts = module.split(".")
    return parts[2] if parts[1:2] == ["studies"] and len(parts) > 2 else ""


# --- papers -------------------------------------------------------------------------------------------------------


@cache
def ids() -> dict[str, str]:
    """Id of every study, kind, experiment and figure of the project → the study that it belongs to."""
    planned = plan("ci")
    studies = {name: name for name in STUDIES.names}
    of_kinds = {kind: study_of(kind).name for kind in kinds()}
    experiments = {name: of_kinds[cells[0].kind] for name, cells in planned.cells.items()}
    figures = {figure.id: figure.study for figure in planned.figures.values()}
    found = {**studies, **of_kinds, **experiments, **figures}
    return {name: study for name, study in found.items() if STUDIES.found(study).origin == OWN}


@cache
def words() -> set[str]:
    """Names of settings: where one is an id as well, it is a word of the field before that."""
    cells = (cell for cells in plan("ci").cells.values() for cell in cells)
    return {key.rpartition(".")[2] for cell in cells for key, _ in leaves(cell.settings)}


def strings(path: Path) -> Iterator[str]:
    """The texts in a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.value


def named(text: str) -> set[str]:
    """The ids that a text has in it."""
    return (ids().keys() - words()) & set(re.findall(r"\w+", text))


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_no_room_names_a_study_a_kind_an_experiment_or_a_figure_of_another(room: str) -> None:
    """A parameterisation may have a study's name, and the science may name it."""
    science = {p.name for p in Parameterisation} if room in {*SCIENCE, "studies"} else set()
    wrong = [
        f"{module_name(path)} names {name}"
        for path in PYTHON
        if path.relative_to(paths.PACKAGE).parts[0] == room
        for text in strings(path)
        for name in named(text) - science
        if ids()[name] != room_of(module_name(path))
    ]
    assert wrong == []


def test_neither_do_the_command_line_the_templates_and_the_workflow() -> None:
    texts = {path: list(strings(path)) for path in paths.PACKAGE.glob("*.py")}
    texts |= {path: [path.read_text(encoding="utf-8")] for path in OTHER}
    assert [f"{path.name} names {name}" for path, of in texts.items() for text in of for name in named(text)] == []


def test_the_look_finds_what_it_looks_for(tmp_path: Path) -> None:
    """An id in a text is found; as a word of the code or in a docstring it is the field's own."""
    module = tmp_path / "module.py"
    module.write_text('"""About dln_modes."""\ndln_loss = 1\nSHOWN = {"draw": f"saxe/dln_rsm{dln_loss}"}\n')
    assert {name for text in strings(module) for name in named(text)} == {"saxe", "dln_rsm"}
