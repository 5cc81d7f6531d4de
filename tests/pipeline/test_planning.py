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
SCIENCE = {
    "nets": {"core"},
    "data": {"core"},
    "rules": {"nets", "core"},
    "theory": {"rules", "nets", "core"},
    "training": {"rules", "nets", "core", "data", "theory"},
}
ALLOWED = {
    "core": set(),
    **SCIENCE,
    "figures": {"core"},
    "config": {"core"},
    "store": {"config", "core"},
    "plan": {"store", "config", "core", "data", "figures"},
    "jobs": {"plan", "store", "config", "core", "figures"},
    "page": {"plan", "store", "config", "core"},
    "ask": {"plan", "store", "config", "core"},
    "skeleton": {"config", "core"},
    "studies": {*SCIENCE, "figures", "plan", "config", "core"},
}


@pytest.mark.parametrize("room", ALLOWED)
def test_dependencies_point_one_way(room: str) -> None:
    wrong = []
    for path in (paths.PACKAGE / room).rglob("*.py"):
        name = ".".join(path.relative_to(paths.PACKAGE.parent).with_suffix("").parts)
        for imported in fp.parsed(name.removesuffix(".__init__")).imports:
            target = imported.split(".")[1] if "." in imported else ""
            if target and target not in ALLOWED[room] | {room}:
                wrong.append(f"{name} imports {imported}")
    assert not wrong


def test_no_shared_figure_module_imports_a_paper_s_module() -> None:
    for shared in (paths.PACKAGE / "figures").glob("*.py"):
        reached = fp.modules_reached(f"deepcredit.figures.{shared.stem}")
        assert not [name for name in reached if name.startswith("deepcredit.studies")]
