"""Which cells one job computes. Starting torch takes longer than many a cell, so cheap cells share a process.

Only cells that the store lacks are in a batch: an array's name says all that its content depends on, so a name that is
there needs no rule. The jobs of a cluster plan anew while others finish, so they read the batches that the process
which submitted them wrote down.
"""

import dataclasses
import json
import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepcredit.config.schema import Trainer
from deepcredit.core import paths
from deepcredit.core.files import write_text
from deepcredit.plan.plan import Plan, PlannedCell
from deepcredit.store.fingerprint import digest

#: a job takes on cells until it is expected to compute for this long, in seconds; a cluster's job takes seconds to
#: begin with, and is there to be waited for
JOB_SECONDS, CLUSTER_JOB_SECONDS = 80.0, 300.0

#: a job that a CPU takes longer for wants a GPU, if it has a use for it
GPU_FROM_SECONDS = 600.0

#: what a job is given of time and memory: so much more than expected, and so much beside; again with every attempt
MORE_TIME, MORE_MINUTES, MORE_MEMORY = 3.0, 10.0, 1.5


@dataclass(frozen=True)
class Batch:
    """One job: the cells of one experiment that it computes, and the arguments of `deepcredit compute` for them."""

    rule: str
    log: str
    outputs: tuple[str, ...]
    arguments: str
    datasets: tuple[str, ...]
    #: how long the job is expected to compute: on one core
    seconds: float
    memory_mb: int
    gpu: bool

    def minutes(self, attempt: int) -> int:
        """Limit of a job's time on a cluster."""
        return attempt * math.ceil(MORE_TIME * self.seconds / 60 + MORE_MINUTES)

    def memory(self, attempt: int) -> int:
        """Limit of a job's memory on a cluster, in MB."""
        return attempt * self.memory_mb


def batches(plan: Plan, cluster: bool = False) -> list[Batch]:
    """The jobs for every cell of the plan that the store lacks. Those of a cluster are longer."""
    return [batch for name, cells in plan.cells.items() for batch in _of_experiment(name, cells, cluster)]


def write(scale: str, found: Sequence[Batch]) -> None:
    """Write the batches down for the jobs that this process submits."""
    write_text(_path(scale), json.dumps([dataclasses.asdict(batch) for batch in found]))


def submitted(scale: str) -> list[Batch]:
    """The batches of the process that submitted this one."""
    return [
        Batch(**{**batch, "outputs": tuple(batch["outputs"]), "datasets": tuple(batch["datasets"])})
        for batch in json.loads(_path(scale).read_text(encoding="utf-8"))
    ]


def _path(scale: str) -> Path:
    return paths.cache_folder() / f"batches-{scale}.json"


def _of_experiment(name: str, cells: Sequence[PlannedCell], cluster: bool) -> list[Batch]:
    missing = [cell for cell in cells if not (paths.root() / cell.path).is_file()]
    shares = list(_shares(missing, CLUSTER_JOB_SECONDS if cluster else JOB_SECONDS))
    return [_batch(f"compute_{name}" if len(shares) == 1 else _rule(name, share), share, cluster) for share in shares]


def _rule(experiment: str, share: Sequence[PlannedCell]) -> str:
    """A name that says which cells: a job that an earlier Snakemake submitted never computes others by mistake."""
    return f"compute_{experiment}_{digest(' '.join(cell.path for cell in share))[:8]}"


def _shares(cells: Sequence[PlannedCell], longest: float) -> Iterator[list[PlannedCell]]:
    """The cells in order, cut so that no share of several is expected to take longer than `longest` on a core."""
    share: list[PlannedCell] = []
    seconds = 0.0
    for cell in cells:
        if share and seconds + cell.seconds > longest:
            yield share
            share, seconds = [], 0.0
        share.append(cell)
        seconds += cell.seconds
    if share:
        yield share


def _batch(rule: str, cells: Sequence[PlannedCell], cluster: bool) -> Batch:
    first, *others = cells
    also = [word for cell in others for word in ("--also", *cell.overrides)]
    needed = MORE_MEMORY * max(cell.memory_bytes for cell in cells)
    own = Trainer().memory_gib
    granted = [f"trainer.memory_gib={math.ceil(needed / 2**30)}"] if cluster and needed > own * 2**30 else []
    words = [f"experiment={first.experiment}", "scale=paper", *granted, *first.overrides, *also]
    on_gpu = [cell.cuda_seconds for cell in cells if cell.cuda_seconds is not None]
    seconds = sum(cell.seconds for cell in cells)
    gpu = len(on_gpu) == len(cells) and seconds > GPU_FROM_SECONDS
    return Batch(
        rule,
        f"results/logs/store/{first.experiment}/{Path(first.path).stem}.log",
        tuple(cell.path for cell in cells),
        shlex.join(words),
        tuple(sorted({name for cell in cells for name in cell.datasets})),
        seconds,
        math.ceil(needed / 1e6),
        gpu,
    )
