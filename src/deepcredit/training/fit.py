"""Train an ensemble from beginning to end: chunks that fit the memory, one Lightning run each, arrays out.

Shapes: E members, S steps, R tests, H hidden layers, L weight layers.
"""

import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from deepcredit.core.errors import check
from deepcredit.core.registry import load
from deepcredit.rules.products import fast_products
from deepcredit.training import lightning as pl
from deepcredit.training.images import ImageData, ImageModule
from deepcredit.training.members import Member, Recipe
from deepcredit.training.module import EnsembleModule
from deepcredit.training.recorders import (
    COMPLETED,
    DIVERGED,
    NO_LEARNING,
    ActivityNorms,
    ConditionNumbers,
    Losses,
    Recorder,
    Recording,
    Schedule,
    StopPolicy,
    TestAccuracy,
    WeightNorms,
)
from deepcredit.training.watching import CheckpointFiles, Progress, Report, Reporter, Saver, readable

T = TypeVar("T")

#: what Lightning says of things that are as they are meant to be
EXPECTED_WARNINGS = (
    # it asks torch what a leaf is in the way that torch is about to drop
    (FutureWarning, "`isinstance.treespec, LeafSpec.` is deprecated"),
    # a job that is to compute on the CPU does, whatever else is there
    (UserWarning, "GPU available but not used"),
    # a job of a cluster is one process, which the cluster has started
    (UserWarning, "The `srun` command is available on your system but is not used"),
)
#: a reason of a stop as numpy keeps it: the same bytes whichever occur
REASON = f"<U{max(len(reason) for reason in (COMPLETED, DIVERGED, NO_LEARNING))}"
#: arrays as large as all activities that a rule may hold: inference by Adam holds so many
BUFFERS = 7
#: share of the memory free that an ensemble is planned to fill
MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class Options:
    """How to run: nothing here changes a number.

    `memory` is in bytes; `checkpoints` the folder to resume from and to save to every `checkpoint_seconds`, or None to
    do neither; `report` is told now and then how far an ensemble is.
    """

    device: torch.device
    memory: float
    checkpoints: Path | None = None
    checkpoint_seconds: float = 300.0
    report: Report | None = None


@dataclass(frozen=True)
class Records:
    """What was measured, float64, NaN after a member's stop."""

    train_loss: np.ndarray  #: [E, S]
    test_accuracy: np.ndarray  #: [E, R], %
    activity_norm: np.ndarray  #: [E, R, H]
    weight_norm: np.ndarray  #: [E, R, L]
    condition_number: np.ndarray  #: [E, 1 + R], NaN where it was not asked for
    stop_step: np.ndarray  #: [E], steps trained
    stop_reason: np.ndarray  #: [E], `COMPLETED`, `DIVERGED` or `NO_LEARNING`

    @classmethod
    def joined(cls, parts: Sequence["Records"]) -> "Records":
        """The records of several chunks as those of one ensemble."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


def train(
    recipe: Recipe, members: Sequence[Member], data: ImageData, schedule: Schedule, options: Options, *, condition: bool
) -> Records:
    """Train all `members` for `schedule.n_steps` steps, a chunk at a time; `condition` records condition numbers."""
    fed, wanted = data.train_x.shape[1], recipe.net.input_size
    check(fed == wanted, "images", f"{fed} pixels each", f"{wanted} pixels, the inputs of the network")
    fitting = max(1, int(options.memory // bytes_per_member(recipe)))

    def chunk(some: Sequence[Member]) -> Records:
        return _fit(recipe, list(some), data, schedule, _own(options, some, members), condition)

    return Records.joined(in_chunks(chunk, members, fitting))


def in_chunks(work: Callable[[Sequence[Member]], T], members: Sequence[Member], size: int) -> list[T]:
    """`work` on at most `size` members at a time; on fewer where a CUDA device runs out of memory.

    Raises the device's error where a single member is too much for it.
    """
    done: list[T] = []
    first = 0
    while first < len(members):
        some = members[first : first + size]
        try:
            done.append(work(some))
        except torch.cuda.OutOfMemoryError:
            if len(some) == 1:
                raise
            size = len(some) // 2
            torch.cuda.empty_cache()
        else:
            first += len(some)
    return done


def bytes_per_member(recipe: Recipe) -> int:
    """Memory of a member in float32: weights, gradients and two moments, copies of the layers; and activities."""
    net = recipe.net
    weights = 4 * sum(n_out * n_in for n_out, n_in in net.layer_shapes)
    copies = 2 * max(net.n_hidden - 1, 0) * net.width**2
    return 4 * (weights + copies + recipe.batch_size * (BUFFERS * net.n_hidden * net.width + 2 * net.input_size))


def free_memory(device: torch.device, host_bytes: float) -> float:
    """Bytes that an ensemble may be planned to fill: of the device's free memory, or of the host's `host_bytes`."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else host_bytes
    return MEMORY_SHARE * free


def _own(options: Options, some: Sequence[Member], members: Sequence[Member]) -> Options:
    """Options with a checkpoint folder that only these members on this kind of device use, and reports that say who."""
    first, told, folder = members.index(some[0]), options.report, options.checkpoints

    def report(progress: Progress) -> None:
        assert told is not None
        told(replace(progress, first=first, of=len(members)))

    if folder is not None:
        folder = folder / f"{options.device.type}_members_{first}_to_{first + len(some) - 1}_of_{len(members)}"
    return replace(options, checkpoints=folder, report=report if told else None)


def _fit(
    recipe: Recipe, members: list[Member], data: ImageData, schedule: Schedule, options: Options, condition: bool
) -> Records:
    n_members, n_hidden = len(members), recipe.net.n_hidden
    losses, accuracy = Losses(n_members, schedule, options.device), TestAccuracy(n_members, schedule)
    activities = ActivityNorms(n_members, schedule, n_hidden)
    weights = WeightNorms(n_members, schedule, n_hidden + 1)
    recorders: list[Recorder] = [losses, accuracy, activities, weights]
    number = load(recipe.implementation.observes["condition_number"]) if condition else None
    conditions = ConditionNumbers(n_members, schedule, number)
    stops = StopPolicy(losses, accuracy)
    recording = Recording(recorders + ([conditions] if condition else []), stops)
    module = EnsembleModule(recipe, members, data, options.device)
    images = ImageModule(data, tuple(m.seed for m in members), recipe.batch_size, schedule.n_steps)
    _run_lightning(module, images, recording, schedule.n_steps, options)
    reached, tests = np.array(stops.steps), np.array(schedule.tests, dtype=int)
    return Records(
        train_loss=_until(losses.values, reached, np.arange(1, schedule.n_steps + 1)),
        test_accuracy=_until(accuracy.values, reached, tests),
        activity_norm=_until(activities.values, reached, tests),
        weight_norm=_until(weights.values, reached, tests),
        condition_number=_until(conditions.values, reached, np.append(0, tests)),
        stop_step=reached,
        stop_reason=np.array(stops.reasons, dtype=REASON),
    )


def _until(values: torch.Tensor, stop_step: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """`values` [E, steps, …] with NaN for what came after a member's stop."""
    kept = values.cpu().numpy().copy()
    kept[steps > stop_step[:, None]] = np.nan
    return kept


def _run_lightning(
    module: EnsembleModule, images: ImageModule, recording: Recording, n_steps: int, options: Options
) -> None:
    last = options.checkpoints / "last.ckpt" if options.checkpoints else None
    watching: list[pl.Callback] = [Saver(last, options.checkpoint_seconds)] if last else []
    watching += [Reporter(options.report, recording)] if options.report else []
    on_cuda = options.device.type == "cuda"
    # those of the CPU; while they are chosen, torch answers no question about CUDA's
    products = nullcontext() if on_cuda else fast_products()
    with warnings.catch_warnings(), products:
        for category, message in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message, category)
        trainer = pl.Trainer(
            accelerator="gpu" if on_cuda else "cpu",
            devices=1,
            max_steps=n_steps,
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[recording, *watching],
            plugins=[pl.LightningEnvironment(), CheckpointFiles()],
        )
        trainer.fit(module, images, ckpt_path=readable(last), weights_only=True)
