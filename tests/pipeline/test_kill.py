"""Whatever is killed with SIGKILL, whenever: the next run completes, and no byte of any array tells.

Expectations: an undisturbed run of the same commands. `pytest -m slow` kills as often as the requirement says (training
20 times, Snakemake 5 times); the default is a few kills of each.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.clones import TARGETS, Clone

pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.timeout(900)]

TRAINING = """# @package _global_
defaults:
  - /schema@_global_: pc_training
  - _self_
experiment: short_training
seed: [0, 1]
model: {width: 24, n_hidden: 4}
optimizer: {lr: [0.1, 1000.0]}
data: {max_steps: 3000, test_every: 100, n_test: 500}
record: {condition_number: true}
"""
CHECKPOINTS = "trainer.checkpoint_minutes=0.002"
COMMAND = ("-m", "deepcredit", "compute", "experiment=short_training", "scale=paper", CHECKPOINTS)
SNAKEMAKE = ("-m", "snakemake", "--cores", "2", *TARGETS, "--config", "scale=ci")


def leftovers(clone: Clone) -> list[Path]:
    """Files that no finished build leaves: temporary ones, and checkpoints."""
    results = clone.root / "results"
    return [p for p in results.rglob("*") if p.name.startswith(".") or p.suffix in (".tmp", ".ckpt")]


def checkpoints(clone: Clone) -> list[Path]:
    return list((clone.root / "results").rglob("*.ckpt"))


def log_of(clone: Clone) -> Path:
    return clone.root / "log"


def forget(clone: Clone) -> None:
    """Delete all arrays."""
    for path in (clone.root / "results" / "store").rglob("*.nc"):
        path.unlink()


def killed(clone: Clone, command: tuple[str, ...], after: float, saved: bool = False) -> bool:
    """Start a command, kill it and all its children after some seconds; whether it was still running.

    With `saved`, the seconds count from the moment at which there is a checkpoint. What it says goes to `log_of`.
    """
    with log_of(clone).open("a") as log:
        process = subprocess.Popen(
            clone.command(*command),
            cwd=clone.root,
            env=clone.environment,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    while saved and process.poll() is None and not checkpoints(clone):
        time.sleep(0.02)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


@pytest.fixture(scope="module")
def trainee(built_project: Clone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, dict[str, bytes], float]:
    """A clone with a short training, its arrays undisturbed, and the seconds that takes where all code is compiled."""
    clone = built_project.copy(tmp_path_factory.mktemp("kill") / "clone")
    (clone.root / "conf" / "experiment" / "short_training.yaml").write_text(TRAINING, encoding="utf-8")
    for _ in range(2):
        forget(clone)
        started = time.monotonic()
        done = clone.run(*COMMAND)
        assert done.returncode == 0, done.stderr
    return clone, clone.arrays(), time.monotonic() - started


def moment(moments: random.Random, seconds: float) -> tuple[float, bool]:
    """Either somewhere in the training, or anywhere from the start of a process that takes this many seconds."""
    in_training = moments.random() < 0.5
    return moments.uniform(0, seconds / 4 if in_training else seconds), in_training


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_training_killed_again_and_again_ends_with_the_same_bytes(trainee, kills: int) -> None:
    clone, undisturbed, seconds = trainee
    moments = random.Random(kills)
    left = kills
    log_of(clone).write_text("")
    while left:
        forget(clone)
        while left and killed(clone, COMMAND, *moment(moments, seconds)):
            left -= 1
        done = clone.run(*COMMAND)
        assert done.returncode == 0, done.stderr
        assert clone.arrays() == undisturbed
        assert not leftovers(clone)
    said = log_of(clone).read_text() + done.stderr
    assert "resuming after step" in said, said


def test_a_checkpoint_of_other_settings_is_not_used_and_the_log_says_so(trainee) -> None:
    clone, undisturbed, _ = trainee
    other = (*COMMAND, "data.n_test=600")
    assert killed(clone, other, 0.0, saved=True), "finished before it could be killed"
    forget(clone)
    done = clone.run(*COMMAND)
    assert done.returncode == 0, done.stderr
    assert "not used, because of other code or other settings: the checkpoint in results/checkpoints/" in done.stderr
    assert "resuming" not in done.stderr
    assert clone.arrays() == undisturbed


def test_a_damaged_checkpoint_is_not_used_and_the_log_says_so(trainee) -> None:
    clone, undisturbed, _ = trainee
    forget(clone)
    shutil.rmtree(clone.root / "results" / "checkpoints", ignore_errors=True)
    assert killed(clone, COMMAND, 0.0, saved=True), "finished before it could be killed"
    for path in checkpoints(clone):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = clone.run(*COMMAND)
    assert done.returncode == 0, done.stderr
    assert "is damaged" in done.stderr
    assert clone.arrays() == undisturbed


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_snakemake_killed_again_and_again_ends_with_the_same_bytes(
    shared_build: tuple[Clone, float], clone: Clone, kills: int
) -> None:
    undisturbed, seconds = shared_build
    moments = random.Random(kills)
    for _ in range(kills):
        killed(clone, SNAKEMAKE, moments.uniform(0.2, 0.9) * seconds)
    done = clone.run(*SNAKEMAKE)
    if done.returncode:  # the lock of a snakemake that was killed
        assert "LockException" in done.stderr
        assert clone.run(*SNAKEMAKE, "--unlock").returncode == 0
        done = clone.run(*SNAKEMAKE)
    assert done.returncode == 0, done.stderr
    assert clone.arrays() == undisturbed.arrays()
    assert not leftovers(clone)
