"""A cell that is computed on a CUDA device: it is told so, and its provenance and the machine's speed say so.

Expectations: the same cell, computed on the CPU.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from deepcredit.core import paths
from deepcredit.jobs.compute import compute
from deepcredit.plan import devices, machine
from deepcredit.store import store
from deepcredit.store.provenance import array_record
from tests.conftest import CUDA_IS_THERE

SIZES = ("data.dataset=npz", "data.batch_size=10", "data.n_test=90", "model.width=8", "model.n_hidden=2")
CELL = ("experiment=mupc_depth", "scale=ci", *SIZES, "model.act_fn=tanh", "seed=[0,1]", "inference.lr=0.5")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with the present configs, and three classes of images beside it."""
    root = tmp_path / "project"
    (root / "results").mkdir(parents=True)
    (root / "conf").symlink_to(paths.conf())
    monkeypatch.setattr(paths, "root", lambda: root)
    rng = np.random.default_rng(0)
    labels = np.arange(330) % 3
    x = 9 * np.eye(3, 6)[labels] + rng.normal(size=(330, 6))
    parts = {"x_train": x[:240], "y_train": labels[:240], "x_test": x[240:], "y_test": labels[240:]}
    np.savez(tmp_path / "own.npz", **parts)
    return root


def computed(project: Path, accelerator: str) -> Path:
    (path,) = compute([*CELL, f"data.path={project.parent / 'own.npz'}", f"trainer.accelerator={accelerator}"])
    return path


def test_a_cell_on_a_device_is_known(project: Path, cuda: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    if not CUDA_IS_THERE:
        monkeypatch.setattr(devices, "visible", lambda: ("pretended",))
        monkeypatch.setattr(devices, "_take", lambda found: found == ("pretended",))
        monkeypatch.setattr(machine, "_measure_cuda", lambda: {machine.OPERATIONS: 1e12, machine.BYTES: 1e11})
    on_cpu = store.read(computed(project, "cpu"))
    path = computed(project, "cpu")
    path.unlink()
    on_cuda, record = store.read(computed(project, "cuda")), array_record(path)
    assert record is not None
    assert record["device"] == torch.cuda.get_device_name()
    assert set(machine._known().popitem()[1]) == {machine.CORE, machine.OPERATIONS, machine.BYTES}
    np.testing.assert_allclose(on_cuda.train_loss, on_cpu.train_loss, rtol=1e-4)
