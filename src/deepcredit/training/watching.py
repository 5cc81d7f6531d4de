"""What watches an ensemble train: checkpoints that a killed run goes on from, and reports of how far it is.

Neither changes a number. Generators need no place in a checkpoint: initial weights are functions of a member's seed,
and the order of the images of its seed and the step.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from deepcredit.training import lightning as pl
from deepcredit.training.recorders import Recording

log = logging.getLogger(__name__)

#: seconds between two reports
REPORT_SECONDS = 0.5
#: share of the time that checkpoints may take; near the best where a job is killed once a day (Young 1974)
SAVING_SHARE = 0.02


@dataclass(frozen=True)
class Progress:
    """How far an ensemble is: steps taken of all, and means over the members that still train (NaN before a test)."""

    step: int
    n_steps: int
    loss: float
    accuracy: float
    #: members trained together now, the position of the first of them, and the number of all in the cell
    members: int
    first: int = 0
    of: int = 0


Report = Callable[[Progress], None]


class CheckpointFiles(pl.CheckpointIO):
    """Checkpoints are written whole or not at all, and read as plain data: `weights_only`.

    `path` is where they lie, or None; `resumed` what was found there, until Lightning takes it.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.resumed = _found(path) if path is not None and path.is_file() else None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write beside `path` and move into place. On a full disk the last checkpoint stays, and training goes on."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except (OSError, RuntimeError) as error:
            log.warning("no checkpoint could be saved (%s); training goes on", str(error).splitlines()[0])
        finally:
            temporary.unlink(missing_ok=True)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:  # noqa: ARG002
        """The checkpoint's plain data, which is read once and not kept here."""
        resumed, self.resumed = self.resumed, None
        assert resumed is not None
        return resumed

    def remove_checkpoint(self, path: Any) -> None:
        """Delete the file."""
        Path(path).unlink(missing_ok=True)


def _found(path: Path) -> dict[str, Any] | None:
    """The checkpoint's plain data, tensors in the file; a damaged one is removed, and the log says so."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # whatever damage does to a pickle
        log.warning("the checkpoint %s is damaged (%s); training begins anew", path, type(error).__name__)
        path.unlink()
        return None
    log.info("resuming after step %d from %s", checkpoint["global_step"], path)
    return checkpoint


class Saver(pl.Callback):
    """Saves a checkpoint when `seconds` have passed since the last, or longer where saving takes long."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.seconds = path, seconds
        self.due = time.monotonic() + seconds

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any, **named: Any) -> None:  # noqa: ARG002
        """After a step that the recorders have seen."""
        now = time.monotonic()
        if now >= self.due:
            # Lightning's word for leaving out optimiser and recorders
            trainer.save_checkpoint(self.path, weights_only=False)
            saved = time.monotonic()
            self.due = saved + pause(self.seconds, saved - now)


def pause(seconds: float, cost: float) -> float:
    """Seconds between a checkpoint that took `cost` to save and the next: at least so many, at most `SAVING_SHARE`."""
    return max(seconds, cost / SAVING_SHARE)


class Reporter(pl.Callback):
    """Reports progress now and then, and at the last step."""

    def __init__(self, report: Report, recording: Recording) -> None:
        self.report, self.recording = report, recording
        self.reported = 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any, **named: Any) -> None:  # noqa: ARG002
        """After a step that the recorders have seen; reading a loss waits for the device, so not after every one."""
        now = time.monotonic()
        if now - self.reported >= REPORT_SECONDS or trainer.global_step == trainer.max_steps:
            self.reported = now
            self.report(self._progress(trainer.global_step))

    def _progress(self, step: int) -> Progress:
        losses, accuracy = self.recording.stops.losses, self.recording.stops.accuracy
        schedule = accuracy.schedule
        tests = step // schedule.test_every
        tested = accuracy.values[:, tests - 1] if tests else accuracy.values[:, :0]
        loss = losses.values[:, step - 1].nanmean().item()
        return Progress(step, schedule.n_steps, loss, tested.nanmean().item(), len(losses.values))
