"""Schema of training on images by predictive coding or backpropagation. Imports no torch.

Learning rates and activity decays are members: a number, or a list of them.
"""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.data.settings import ImageSettings
from deepcredit.nets.names import ActFn, Algorithm, Init, Parameterisation, Rule

#: `inference.max_t` that stands for as many steps as there are hidden layers
AS_DEEP = "n_hidden"

MEMBERS = ("seed", "weight_lr", "activity_lr", "activity_decay")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _numbers(key: str, value: Any, least: float, allowed: str) -> list[float]:
    """`value` as a list of different numbers of at least `least`; a single number is a list of one."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    allowed = f"{allowed}, or a list of such, each once"
    check(len(values) > 0 and all(_is_number(v) and v >= least for v in values), key, value, allowed)
    check(len(set(values)) == len(values), key, value, allowed)
    return [float(v) for v in values]


def _at_least(section: Any, name: str, least: int, *keys: str) -> None:
    for key in keys:
        value = getattr(section, key)
        check(value >= least, f"{name}.{key}", value, f"a whole number of at least {least}")


@dataclass
class Model:
    """The network; input and output are those of the data set."""

    act_fn: ActFn = ActFn.relu
    n_hidden: int = 8
    width: int = 128
    parameterisation: Parameterisation = Parameterisation.mupc
    init: Init = Init.standard_gauss
    skips: bool = True

    def __post_init__(self) -> None:
        _at_least(self, "model", 1, "n_hidden", "width")


@dataclass
class Inference:
    """Inference of predictive coding. `max_t` is T, or `n_hidden` for as many steps as hidden layers."""

    lr: Any = 0.5
    algorithm: Algorithm = Algorithm.gd
    max_t: Any = AS_DEEP
    activity_decay: Any = 0.0

    def __post_init__(self) -> None:
        self.lr = _numbers("inference.lr", self.lr, 0.0, "a number of at least 0")
        self.activity_decay = _numbers("inference.activity_decay", self.activity_decay, 0.0, "a number of at least 0")
        whole = isinstance(self.max_t, int) and not isinstance(self.max_t, bool) and self.max_t >= 0
        check(
            whole or self.max_t == AS_DEEP, "inference.max_t", self.max_t, f"a whole number of at least 0, or {AS_DEEP}"
        )


@dataclass
class Optimizer:
    """Adam on the weights. The penalties are terms of the energy of predictive coding."""

    lr: Any = 0.1
    weight_decay: float = 0.0
    spectral_penalty: float = 0.0

    def __post_init__(self) -> None:
        self.lr = _numbers("optimizer.lr", self.lr, 0.0, "a number of at least 0")
        for key in ("weight_decay", "spectral_penalty"):
            value = getattr(self, key)
            check(_is_number(value) and value >= 0, f"optimizer.{key}", value, "a number of at least 0")


@dataclass
class Data(ImageSettings):
    """Images, for `epochs` or, if given, `max_steps`. A test on the first `n_test` follows every `test_every` steps.

    `n_test` is filled in with the number of all test images where it is not given.
    """

    epochs: int = 1
    max_steps: int | None = None
    test_every: int = 100
    n_test: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, "data", 1, "epochs", "test_every")
        check(self.max_steps is None or self.max_steps >= 1, "data.max_steps", self.max_steps, "null, or at least 1")
        check(self.test_every <= self.n_steps, "data.test_every", self.test_every, f"at most all {self.n_steps} steps")
        allowed = f"a whole number from data.batch_size={self.batch_size} to {self.sizes.n_test}, the images there are"
        check(self.batch_size <= self.n_tested <= self.sizes.n_test, "data.n_test", self.n_tested, allowed)

    @property
    def n_tested(self) -> int:
        """Images of a test: so many as are said, or all."""
        return self.sizes.n_test if self.n_test is None else self.n_test

    @property
    def n_steps(self) -> int:
        """Steps that a run is planned for; the last incomplete batch of an epoch is dropped."""
        return self.max_steps if self.max_steps is not None else self.epochs * self.sizes.batches(self.batch_size)


@dataclass
class Record:
    """What is measured beside losses, accuracies and norms."""

    condition_number: bool = False


@dataclass
class PcTraining(Experiment):
    """How well do networks of one shape learn to classify images? Members: seeds, rates, decays."""

    variables: ClassVar[dict[str, Variable]] = {
        "train_loss": Variable(
            (*MEMBERS, "step"),
            finite=False,
            about="½ mean over the batch of ‖y − ŷ‖² at the feed-forward values before the update; NaN after a stop",
        ),
        "test_accuracy": Variable(
            (*MEMBERS, "test_step"), finite=False, about="in %, by a feed-forward pass; NaN after a stop"
        ),
        "activity_norm": Variable(
            (*MEMBERS, "test_step", "hidden_layer"),
            finite=False,
            about="mean over the batch of ‖z_l‖ at the end of inference; NaN after a stop",
        ),
        "weight_norm": Variable(
            (*MEMBERS, "test_step", "layer"), finite=False, about="‖W_l‖_F after the update; NaN after a stop"
        ),
        "condition_number": Variable(
            (*MEMBERS, "condition_step"),
            finite=False,
            about="κ of the activity Hessian of the batch's first sample; NaN after a stop, and where not recorded",
        ),
        "stop_step": Variable(MEMBERS, about="steps trained: all that were planned, or those before a stop"),
        "stop_reason": Variable(MEMBERS, about="empty for a run that went to its end, else why it did not"),
    }

    kind: str = "pc_training"
    model: Model = field(default_factory=Model)
    rule: Rule = Rule.pc
    inference: Inference = field(default_factory=Inference)
    optimizer: Optimizer = field(default_factory=Optimizer)
    data: Data = field(default_factory=Data)
    record: Record = field(default_factory=Record)

    def __post_init__(self) -> None:
        super().__post_init__()
        # not by the section itself: its default would be that of one data set
        self.data.n_test = self.data.n_tested
        if self.rule is Rule.bp:
            self._check_backpropagation()

    def _check_backpropagation(self) -> None:
        """Refuse what backpropagation has no use for."""
        inference = self.inference
        check(len(inference.lr) == 1, "inference.lr", inference.lr, "one number, since rule=bp infers nothing")
        check(inference.activity_decay == [0.0], "inference.activity_decay", inference.activity_decay, "0 with rule=bp")
        for key in ("weight_decay", "spectral_penalty"):
            value = getattr(self.optimizer, key)
            check(value == 0, f"optimizer.{key}", value, "0 with rule=bp, since it is a term of the energy")
        check(not self.record.condition_number, "record.condition_number", True, "false with rule=bp")

    @property
    def max_t(self) -> int:
        """T, the number of inference steps."""
        return self.model.n_hidden if self.inference.max_t == AS_DEEP else self.inference.max_t
