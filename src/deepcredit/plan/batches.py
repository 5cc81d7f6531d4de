"""Which cells one job computes. Starting torch takes longer than many a cell, so cheap cells share a process.

Only cells that the store lacks are in a batch: an array's name says all that its content depends on, so a name that is
there needs no rule. The jobs of a cluster plan anew while others finish, so they read the batches that the process
which submitted them wrote down.
"""

import dataclasses
import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcredit.config.schema import Accelerator, Trainer
from deepcredit.core import paths
from deepcredit.core.files import write_text
from deepcredit.plan.plan import Plan, PlannedCell
from deepcredit.store.fingerprint import digest

#: a job takes on cells until it is expected to compute for this long, in seconds; a cluster's job takes seconds to
#: begin with, and is there to be waited for
JOB_SECONDS, CLUSTER_JOB_SECONDS = 80.0, 300.0

#: a cell that a core takes longer for wants a GPU, if it has a use for it
GPU_FROM_SECONDS = 600.0

#: what a job is given of time and memory: so much more than expected, and so much beside; again with every attempt
MORE_TIME, MORE_MINUTES, MORE_MEMORY = 3.0, 10.0, 1.5

#: default resources of a profile that hold for jobs with a GPU alone → what they then are to SLURM
ON_GPU = {"gpu_partition": "slurm_partition", "gpu_gres": "gres", "gpu_constraint": "constraint"}


@dataclass(frozen=True)
class Batch:
    """One job: the cells of one experiment that it computes, and the arguments of `deepcredit compute` for them."""

    rule: str
    log: str
    outputs: tuple[str, ...]
    arguments: str
    datasets: tuple[str, ...]
    #: how long the job is expected to compute: on the GPU that it asks for, or on one core
    seconds: float
    memory_mb: int
    gpu: bool

    def minutes(self, attempt: int) -> int:
        """Limit of a job's time on a cluster."""
        return attempt * math.ceil(MORE_TIME * self.seconds / 60 + MORE_MINUTES)

    def memory(self, attempt: int) -> int:
        """Limit of a job's memory on a cluster, in MB."""
        return attempt * self.memory_mb


def batches(plan: Plan, cluster: bool = False, gpus: bool = False) -> list[Batch]:
    """The jobs for every cell of the plan that the store lacks. Those of a cluster are longer.

    Where there are `gpus`, jobs that want one ask for it; what a job computes on is said in its arguments.
    """
    return [batch for name, cells in plan.cells.items() for batch in _of_experiment(name, cells, cluster, gpus)]


def any_wants_gpu(plan: Plan) -> bool:
    """Whether a cell that the store lacks would be computed on a GPU."""
    return any(_wants_gpu(cell) for cells in plan.cells.values() for cell in _missing(cells))


def gpu_resources(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What a job with a GPU asks for, where these are a profile's default resources: `gpu`, or `gres` in its place."""
    found = {name: defaults[key] for key, name in ON_GPU.items() if key in defaults}
    return found if "gres" in found else {"gpu": 1, **found}


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


def _of_experiment(name: str, cells: Sequence[PlannedCell], cluster: bool, gpus: bool) -> list[Batch]:
    longest = CLUSTER_JOB_SECONDS if cluster else JOB_SECONDS
    on_gpu, on_cpu = _parted(_missing(cells), gpus)
    shares = [(share, gpu) for some, gpu in ((on_gpu, True), (on_cpu, False)) for share in _shares(some, gpu, longest)]
    alone = len(shares) == 1
    return [_batch(f"compute_{name}" if alone else _rule(name, share), share, cluster, gpu) for share, gpu in shares]


def _missing(cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    return [cell for cell in cells if not (paths.root() / cell.path).is_file()]


def _parted(cells: Sequence[PlannedCell], gpus: bool) -> tuple[list[PlannedCell], list[PlannedCell]]:
    """The cells that are computed on a GPU, and the others."""
    on_gpu = [cell for cell in cells if gpus and _wants_gpu(cell)]
    return on_gpu, [cell for cell in cells if cell not in on_gpu]


def _wants_gpu(cell: PlannedCell) -> bool:
    on_gpu = cell.cuda_seconds
    return on_gpu is not None and on_gpu < cell.seconds > GPU_FROM_SECONDS


def _seconds(cell: PlannedCell, gpu: bool) -> float:
    on_gpu = cell.cuda_seconds if gpu else None
    return cell.seconds if on_gpu is None else on_gpu


def _rule(experiment: str, share: Sequence[PlannedCell]) -> str:
    """A name that says which cells: a job that an earlier Snakemake submitted never computes others by mistake."""
    return f"compute_{experiment}_{digest(' '.join(cell.path for cell in share))[:8]}"


def _shares(cells: Sequence[PlannedCell], gpu: bool, longest: float) -> Iterator[list[PlannedCell]]:
    """The cells in order, cut so that no share of several is expected to take longer than `longest`."""
    share: list[PlannedCell] = []
    seconds = 0.0
    for cell in cells:
        own = _seconds(cell, gpu)
        if share and seconds + own > longest:
            yield share
            share, seconds = [], 0.0
        share.append(cell)
        seconds += own
    if share:
        yield share


def _batch(rule: str, cells: Sequence[PlannedCell], cluster: bool, gpu: bool) -> Batch:
    first, *others = cells
    also = [word for cell in others for word in ("--also", *cell.overrides)]
    needed = MORE_MEMORY * max(cell.cost.process_bytes(gpu) for cell in cells)
    own = Trainer().memory_gib
    granted = [f"trainer.memory_gib={math.ceil(needed / 2**30)}"] if cluster and needed > own * 2**30 else []
    told = f"trainer.accelerator={(Accelerator.cuda if gpu else Accelerator.cpu).value}"
    words = [f"experiment={first.experiment}", "scale=paper", told, *granted, *first.overrides, *also]
    return Batch(
        rule,
        f"results/logs/store/{first.experiment}/{Path(first.path).stem}.log",
        tuple(cell.path for cell in cells),
        shlex.join(words),
        tuple(sorted({name for cell in cells for name in cell.datasets})),
        sum(_seconds(cell, gpu) for cell in cells),
        math.ceil(needed / 1e6),
        gpu,
    )
