"""Train an ensemble from beginning to end: chunks that fit the memory, one Lightning run each, arrays out.

Shapes: E members, S steps, R tests, H hidden layers, L weight layers.
"""

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from deepcredit.core.errors import check
from deepcredit.core.registry import load
from deepcredit.rules.products import fast_products
from deepcredit.training import lightning as pl
from deepcredit.training.chunks import Sizes, bytes_per_member, in_chunks
from deepcredit.training.images import ImageData, ImageModule
from deepcredit.training.members import Member, Recipe
from deepcredit.training.module import EnsembleModule
from deepcredit.training.one_device import OneDevice
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
from deepcredit.training.watching import CheckpointFiles, Progress, Report, Reporter, Saver

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

    def file(self, name: str) -> Path | None:
        """A file or folder beside the checkpoints that only runs on this kind of device use."""
        return self.checkpoints / f"{self.device.type}_{name}" if self.checkpoints else None


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
    sizes = Sizes(fitting, options.file(f"chunks_of_{len(members)}.json"))

    def chunk(some: Sequence[Member]) -> Records:
        return _fit(recipe, list(some), data, schedule, _own(options, some, members), condition)

    return Records.joined(in_chunks(chunk, members, sizes))


def _own(options: Options, some: Sequence[Member], members: Sequence[Member]) -> Options:
    """Options with a checkpoint folder that only these members on this kind of device use, and reports that say who."""
    first, told = members.index(some[0]), options.report

    def report(progress: Progress) -> None:
        assert told is not None
        told(replace(progress, first=first, of=len(members)))

    folder = options.file(f"members_{first}_to_{first + len(some) - 1}_of_{len(members)}")
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
    files = CheckpointFiles(options.checkpoints / "last.ckpt" if options.checkpoints else None)
    module = EnsembleModule(recipe, members, data, options.device, files.resumed)
    images = ImageModule(data, tuple(m.seed for m in members), recipe.batch_size, schedule.n_steps)
    _run_lightning(module, images, recording, schedule.n_steps, files, options)
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
    module: EnsembleModule,
    images: ImageModule,
    recording: Recording,
    n_steps: int,
    files: CheckpointFiles,
    options: Options,
) -> None:
    watching: list[pl.Callback] = [Saver(files.path, options.checkpoint_seconds)] if files.path else []
    watching += [Reporter(options.report, recording)] if options.report else []
    # products of the CPU; while they are chosen, torch answers no question about CUDA's
    products = fast_products() if options.device.type == "cpu" else nullcontext()
    with warnings.catch_warnings(), products:
        for category, message in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message, category)
        trainer = pl.Trainer(
            accelerator="gpu" if options.device.type == "cuda" else "cpu",
            strategy=OneDevice(options.device),
            devices=1,
            max_steps=n_steps,
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[recording, *watching],
            plugins=[pl.LightningEnvironment(), files],
        )
        trainer.fit(module, images, ckpt_path=files.path if files.resumed else None, weights_only=True)
