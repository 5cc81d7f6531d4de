"""What every experiment config has. Imports no torch.

A kind of experiment is a dataclass derived from `Experiment`, a function `run(config)` that returns the cell's arrays,
and a function that says what a cell costs; a study names the three (`deepcredit.config.studies.Kind`).
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from omegaconf import MISSING

from deepcredit.core.errors import check
from deepcredit.core.registry import check_choices


class Accelerator(Enum):
    """Where a job computes: `auto` takes a CUDA device that is free and that the job was given, `cuda` waits for one.

    What computes is told `cpu` or `cuda`.
    """

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


@dataclass(frozen=True)
class Variable:
    """One array that a kind of experiment promises: its dimensions in order, and whether all of it is finite."""

    dims: tuple[str, ...]
    finite: bool = True
    about: str = ""


@dataclass
class Trainer:
    """How a job runs. Nothing in here may change a number, so nothing in here enters a cell's hash."""

    accelerator: Accelerator = Accelerator.auto
    threads: int = 1
    #: memory that a job may plan with; kinds that can foresee needing more refuse to begin
    memory_gib: float = 16.0
    #: say how far a training is: a bar on a terminal, a line now and then in a log
    progress: bool = True
    #: time between two checkpoints of a training
    checkpoint_minutes: float = 5.0

    def __post_init__(self) -> None:
        check(self.threads >= 1, "trainer.threads", self.threads, "a whole number of at least 1")
        check(self.memory_gib > 0, "trainer.memory_gib", self.memory_gib, "a positive number")
        minutes = self.checkpoint_minutes
        check(minutes > 0, "trainer.checkpoint_minutes", minutes, "a positive number")


@dataclass
class Thinning:
    """What a scale makes of a paper grid, by dotted setting.

    `keep` lists the values that stay of a grid axis, of variants or of a list, in the paper's order; then `set` gives
    values: of a setting, in every variant, a list for a grid axis or a list, or `{from: to}` to replace some.
    """

    keep: dict[str, list[Any]] = field(default_factory=dict)
    set: dict[str, Any] = field(default_factory=dict)


@dataclass
class Scale:
    """What a file `conf/scales/<scale>.yaml` says of all experiments of a kind, and of single ones."""

    kinds: dict[str, Thinning] = field(default_factory=dict)
    experiments: dict[str, Thinning] = field(default_factory=dict)


#: settings that say which cells there are, or how and where they run, but not what one cell computes
NOT_IN_CELL = ("experiment", "scale", "grid", "variants", "scales", "trainer")


@dataclass
class Experiment:
    """A named grid of cells × members. Every kind of experiment derives its own schema from this.

    `grid` mirrors the config: a list at a leaf is an axis of cells, e.g. `grid: {model: {num_layers: [1, 2]}}`.
    `variants` is a list of such trees with single values at the leaves; each is combined with the whole grid.
    `scales` says what a scale makes of this, where that is not what all experiments of the kind share.
    """

    #: every array of the cell's file, by name
    variables: ClassVar[dict[str, Variable]] = {}

    kind: str = MISSING
    experiment: str = MISSING
    scale: str = MISSING
    seed: list[int] = field(default_factory=lambda: [0])
    grid: dict[str, Any] = field(default_factory=dict)
    variants: list[dict[str, Any]] = field(default_factory=list)
    scales: dict[str, Thinning] = field(default_factory=dict)
    trainer: Trainer = field(default_factory=Trainer)

    def __post_init__(self) -> None:
        check(len(self.seed) > 0, "seed", self.seed, "a list of at least one whole number")
        check(len(set(self.seed)) == len(self.seed), "seed", self.seed, "a list without repetitions")
        check(all(s >= 0 for s in self.seed), "seed", self.seed, "whole numbers of at least 0")
        check_choices(self)
