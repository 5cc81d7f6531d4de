"""The SLURM profile on a real SLURM of one node: what it builds is what a build without it makes.

Expectations: the same targets built by `snakemake --cores 2`, byte for byte. `make slow` builds the whole of scale=ci.
"""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clones import Clone
from tests.cluster.slurm import Slurm, slurm, why_not

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.timeout(900)]

TARGETS = ("interference", "dln_modes")
PROFILE = ("-m", "snakemake", "--profile", "workflow/profiles/slurm", "--slurm-init-seconds-before-status-checks", "2")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Slurm]:
    if reason := why_not():
        pytest.skip(reason)
    with slurm(cpus=2) as running:
        yield running


def products(clone: Clone) -> dict[str, bytes]:
    """Arrays and figures of a clone."""
    results = clone.root / "results"
    files = [*(results / "store").rglob("*.nc"), *(results / "ci" / "figures").rglob("*.*")]
    return {str(p.relative_to(results)): p.read_bytes() for p in sorted(files)}


def environment(clone: Clone, cluster: Slurm) -> dict[str, str]:
    """That of a command in a clone which finds the cluster."""
    return {**clone.environment, **cluster.environment}


def run(clone: Clone, cluster: Slurm, *words: str) -> str:
    """What a Python command in the clone says, which has to succeed."""
    done = subprocess.run(
        clone.command(*words), cwd=clone.root, env=environment(clone, cluster), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def start(clone: Clone, cluster: Slurm, *targets: str, log: Path) -> subprocess.Popen:
    """Snakemake with the profile, its output in a file."""
    command = clone.command(*PROFILE, *targets, "--config", "scale=ci")
    with log.open("w") as out:
        return subprocess.Popen(command, cwd=clone.root, env=environment(clone, cluster), stdout=out, stderr=out)


def cancel_one(cluster: Slurm, snakemake: subprocess.Popen) -> str:
    """Cancel the first job that runs; its number."""
    while snakemake.poll() is None:
        running = [number for number, state in cluster.jobs() if state == "RUNNING"]
        if running:
            time.sleep(1.0)
            cluster.call("scancel", running[0])
            return running[0]
        time.sleep(0.2)
    raise AssertionError("no job ever ran")


def build(clone: Clone, cluster: Slurm, *targets: str, log: Path) -> None:
    """Build through the profile, cancelling a job in mid-run, which has to come again."""
    snakemake = start(clone, cluster, *targets, log=log)
    try:
        cancelled = cancel_one(cluster, snakemake)
        assert snakemake.wait() == 0, log.read_text()[-6000:]
    finally:
        snakemake.kill()
    text = log.read_text()
    assert f"SLURM-job '{cancelled}' failed, SLURM status is: 'CANCELLED'" in text
    assert "Trying to restart job" in text


def test_a_cancelled_job_comes_again_and_the_build_is_the_same(
    cluster: Slurm, built_project: Clone, clone: Clone, tmp_path: Path
) -> None:
    build(clone, cluster, *TARGETS, log=tmp_path / "log")
    made, local = products(clone), products(built_project)
    assert {Path(name).stem for name in made} >= set(TARGETS)
    assert made == {name: local[name] for name in made}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_whole_of_the_smallest_scale_is_built(cluster: Slurm, clone: Clone, tmp_path: Path) -> None:
    build(clone, cluster, log=tmp_path / "log")
    assert clone.planned() == {}
    described = {path.stem for path in (clone.root / "conf" / "figure").glob("*/*.yaml")}
    drawn = {path.stem for path in (clone.root / "results" / "ci" / "figures").glob("*/*.png")}
    assert drawn == described
    assert (clone.root / "results" / "ci" / "claims.json").is_file()


def test_a_sweep_by_hand_is_sent_to_the_cluster_run_by_run(cluster: Slurm, clone: Clone) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="the extra `submitit` is not installed")
    launcher = ("hydra/launcher=submitit_slurm", "hydra.launcher.partition=main", "hydra.launcher.timeout_min=5")
    runs = ("experiment=target_alignment_depth", "seed=0,1", "model.num_layers=2", "model.act_fn=linear")
    said = run(clone, cluster, "-m", "deepcredit", "run", "-m", *runs, *launcher)
    assert "2 runs done" in said
    folders = re.findall(r"results/runs/\S+", said)
    assert len(set(folders)) == 2
    assert all((clone.root / folder / "picture.png").is_file() for folder in folders)
    logs = clone.root / "results" / "logs" / "multirun" / ".submitit"
    assert len({path.name.split("_")[0] for path in logs.rglob("*_log.out")}) == 1


def test_jobs_ask_for_the_time_and_memory_that_cells_are_expected_to_take(cluster: Slurm, clone: Clone) -> None:
    said = run(clone, cluster, *PROFILE, "--dry-run", "dln_modes", "--config", "scale=ci")
    (job,) = [part for part in said.split("\nrule ") if part.startswith("compute_deep_linear:")]
    resources = dict(item.strip().split("=") for item in job.split("resources:")[1].splitlines()[0].split(","))
    assert 10 <= int(resources["runtime"]) <= 30
    assert 1500 <= int(resources["mem_mb"]) <= 4000
    assert int(resources["gpu"]) == 0
