"""Planning and drawing start no torch, and dependencies point one way.

Expectations: "The house" of DESIGN.md.
"""

import subprocess
import sys

import pytest

from deepcredit.core import paths
from deepcredit.store import fingerprint as fp


@pytest.mark.parametrize(
    "statement",
    [
        "from deepcredit.plan.plan import _compose; _compose('ci')",
        "import deepcredit.jobs.draw",
        "import deepcredit.cli",
    ],
)
def test_planning_and_drawing_import_no_torch(statement: str) -> None:
    check = f"{statement}\nimport sys\nassert 'torch' not in sys.modules and 'pytorch_lightning' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=paths.root())
    assert done.returncode == 0, done.stderr


#: room → rooms that it may import from
ALLOWED = {
    "schema": set(),
    "nets": {"schema"},
    "data": {"schema"},
    "rules": {"nets", "schema"},
    "theory": {"rules", "nets", "schema"},
    "training": {"rules", "nets", "schema", "data", "theory"},
    "experiments": {"training", "theory", "rules", "nets", "schema", "data"},
    "figures": {"schema"},
    "pipeline": {"figures", "schema", "data"},
}


@pytest.mark.parametrize("room", ALLOWED)
def test_dependencies_point_one_way(room: str) -> None:
    wrong = []
    for path in (paths.PACKAGE / room).rglob("*.py"):
        name = ".".join(path.relative_to(paths.PACKAGE.parent).with_suffix("").parts)
        for imported in fp.parsed(name.removesuffix(".__init__")).imports:
            target = imported.split(".")[1] if "." in imported else ""
            if target and target not in ALLOWED[room] | {room, "errors"}:
                wrong.append(f"{name} imports {imported}")
    assert not wrong


def test_no_shared_figure_module_imports_a_paper_s_module() -> None:
    groups = {p.parent.name for p in paths.conf().glob("figure/*/*.yaml")}
    for shared in ("base", "style", "render"):
        reached = fp.modules_reached(f"deepcredit.figures.{shared}")
        assert not {f"deepcredit.figures.{group}" for group in groups} & set(reached)
