"""An earlier store and a present one, for the tests of adopting."""

from pathlib import Path

import pytest

from deepcredit.core import paths
from deepcredit.jobs import adopt as job
from deepcredit.plan.plan import Plan
from tests.pipeline.adopting import House


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What planning and measuring the machine leave, kept from test to test."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def house(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    root = tmp_path / "project"
    (root / "results").mkdir(parents=True)
    (root / "conf").symlink_to(paths.conf())
    (root / "results" / "cache").symlink_to(cache)
    monkeypatch.setattr(paths, "root", lambda: root)
    found = House(tmp_path / "earlier" / "results" / "store", [], {})
    monkeypatch.setattr(job, "plan", lambda scale: Plan(scale, {"all": tuple(found.wanted)}, {}))
    return found
