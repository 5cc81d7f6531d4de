"""How far a training is, for whoever watches: a bar on a terminal, a line now and then in a log."""

import math
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from deepcredit.core.words import duration

#: seconds of the clock until the first line of a log, and from one line to the next
FIRST_LINE, NEXT_LINE = 10.0, 60.0

BAR = 24


class Progress(Protocol):
    """What `deepcredit.training.watching.Progress` says, without its torch."""

    step: int
    n_steps: int
    loss: float
    accuracy: float
    members: int
    first: int
    of: int


class Watcher:
    """Shows reports on a stream. The speed is measured from the first report, so that resuming does not distort it."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.clock = stream or sys.stderr, clock
        self.live = self.stream.isatty()
        self.begun: tuple[int, int, float] | None = None
        self.due = self.clock() + FIRST_LINE

    def __call__(self, progress: Any) -> None:
        """Show one report, if it is time to."""
        now = self.clock()
        if self.begun is None or self.begun[0] != progress.first:
            self.begun = (progress.first, progress.step, now)
        over = progress.step == progress.n_steps
        if self.live:
            self._write(f"\r\x1b[K{bar(progress)} {line(progress, self._left(progress, now))}" + "\n" * over)
        elif over or now >= self.due:
            self.due = now + NEXT_LINE
            self._write(line(progress, self._left(progress, now)) + "\n")

    def _left(self, progress: Progress, now: float) -> float:
        """Seconds left for the members trained now; NaN before there is a speed."""
        assert self.begun is not None
        _, step, begun = self.begun
        steps, seconds = progress.step - step, now - begun
        return (progress.n_steps - progress.step) * seconds / steps if steps else math.nan

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def bar(progress: Progress) -> str:
    """A bar of the steps taken."""
    full = BAR * progress.step // progress.n_steps
    return "█" * full + "░" * (BAR - full)


def line(progress: Progress, left: float) -> str:
    """Iteration, loss, accuracy and time left in one line."""
    parts = [f"iteration {progress.step}/{progress.n_steps}", f"loss {progress.loss:.4g}"]
    if not math.isnan(progress.accuracy):
        parts.append(f"accuracy {progress.accuracy:.1f} %")
    if progress.step < progress.n_steps and not math.isnan(left):
        parts.append(f"{duration(left)} left")
    if progress.members < progress.of:
        parts.append(f"runs {progress.first + 1} to {progress.first + progress.members} of {progress.of}")
    return ", ".join(parts)
