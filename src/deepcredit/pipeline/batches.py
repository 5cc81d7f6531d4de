"""Which cells one job computes. Starting torch takes longer than many a cell, so cheap cells share a process.

Only cells that the store lacks are in a batch: an array's name says all that its content depends on, so a name that is
there needs no rule. The jobs of a cluster plan anew while others finish, so they read the batches that the process
which submitted them wrote down.
"""

import dataclasses
import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepcredit.pipeline import paths
from deepcredit.pipeline.files import write_text
from deepcredit.pipeline.plan import Plan, PlannedCell

#: a job takes on cells until it is expected to compute for this long, in seconds
JOB_SECONDS = 15.0


@dataclass(frozen=True)
class Batch:
    """One job: the cells of one experiment that it computes, and the arguments of `deepcredit compute` for them."""

    rule: str
    log: str
    outputs: tuple[str, ...]
    arguments: str
    datasets: tuple[str, ...]
    #: how long the job is expected to compute
    seconds: float


def batches(plan: Plan) -> list[Batch]:
    """The jobs for every cell of the plan that the store lacks."""
    return [batch for name, cells in plan.cells.items() for batch in _of_experiment(name, cells)]


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


def _of_experiment(name: str, cells: Sequence[PlannedCell]) -> list[Batch]:
    missing = [cell for cell in cells if not (paths.root() / cell.path).is_file()]
    shares = list(_shares(missing))
    rules = [f"compute_{name}" if len(shares) == 1 else f"compute_{name}_{k}" for k in range(1, len(shares) + 1)]
    return [_batch(rule, share) for rule, share in zip(rules, shares, strict=True)]


def _shares(cells: Sequence[PlannedCell]) -> Iterator[list[PlannedCell]]:
    """The cells in order, cut so that no share of several is expected to take longer than `JOB_SECONDS`."""
    share: list[PlannedCell] = []
    seconds = 0.0
    for cell in cells:
        if share and seconds + cell.seconds > JOB_SECONDS:
            yield share
            share, seconds = [], 0.0
        share.append(cell)
        seconds += cell.seconds
    if share:
        yield share


def _batch(rule: str, cells: Sequence[PlannedCell]) -> Batch:
    first, *others = cells
    also = [word for cell in others for word in ("--also", *cell.overrides)]
    words = [f"experiment={first.experiment}", "scale=paper", *first.overrides, *also]
    return Batch(
        rule,
        f"results/logs/store/{first.experiment}/{Path(first.path).stem}.log",
        tuple(cell.path for cell in cells),
        shlex.join(words),
        tuple(sorted({name for cell in cells for name in cell.datasets})),
        sum(cell.seconds for cell in cells),
    )
