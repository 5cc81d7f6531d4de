"""Schema of training on images by a learning rule. Imports no torch.

Learning rates and activity decays are members: a number, or a list of them.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.core.registry import named, options_section
from deepcredit.data.settings import ImageSettings
from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.names import Init, Parameterisation
from deepcredit.rules.options import SteppedInference, is_number, numbers
from deepcredit.rules.rule import RULES, options_of, settle_options

MEMBERS = ("seed", "weight_lr", "activity_lr", "activity_decay")


def _at_least(section: Any, name: str, least: int, *keys: str) -> None:
    for key in keys:
        value = getattr(section, key)
        check(value >= least, f"{name}.{key}", value, f"a whole number of at least {least}")


@dataclass
class Model:
    """The network; input and output are those of the data set."""

    act_fn: str = named(ACTIVATIONS, "relu")
    n_hidden: int = 8
    width: int = 128
    parameterisation: Parameterisation = Parameterisation.mupc
    init: Init = Init.standard_gauss
    skips: bool = True

    def __post_init__(self) -> None:
        _at_least(self, "model", 1, "n_hidden", "width")


@dataclass
class Optimizer:
    """Adam on the weights. The penalties are terms of the energy of predictive coding."""

    lr: Any = 0.1
    weight_decay: float = 0.0
    spectral_penalty: float = 0.0

    def __post_init__(self) -> None:
        self.lr = numbers("optimizer.lr", self.lr)
        for key in ("weight_decay", "spectral_penalty"):
            value = getattr(self, key)
            check(is_number(value) and value >= 0, f"optimizer.{key}", value, "a number of at least 0")


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
    rule: str = named(RULES, "pc", need="mlp")
    #: the rule's own options; those of predictive coding are `inference`
    rule_options: dict[str, Any] = options_section()
    inference: SteppedInference = field(default_factory=SteppedInference)
    optimizer: Optimizer = field(default_factory=Optimizer)
    data: Data = field(default_factory=Data)
    record: Record = field(default_factory=Record)

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_options(self)
        # not by the section itself: its default would be that of one data set
        self.data.n_test = self.data.n_tested
        if self.options is not self.inference:
            self._check_no_inference()
        if self.record.condition_number:
            observed = "condition_number" in RULES[self.rule].implements["mlp"].observes
            check(observed, "record.condition_number", True, f"false with rule={self.rule}")
            self._check_second_derivative()

    def _check_second_derivative(self) -> None:
        """Refuse an activation function of which there is no Hessian."""
        known = ACTIVATIONS[self.model.act_fn].allows("second_derivative")
        allowed = f"false with model.act_fn={self.model.act_fn}, which has no second derivative"
        check(known, "record.condition_number", True, allowed)

    def _check_no_inference(self) -> None:
        """Refuse what a rule that infers nothing has no use for."""
        inference, rule = self.inference, self.rule
        check(len(inference.lr) == 1, "inference.lr", inference.lr, f"one number, since rule={rule} infers nothing")
        decay = inference.activity_decay
        check(decay == [0.0], "inference.activity_decay", decay, f"0 with rule={rule}")
        for key in ("weight_decay", "spectral_penalty"):
            value = getattr(self.optimizer, key)
            check(value == 0, f"optimizer.{key}", value, f"0 with rule={rule}, since it is a term of the energy")

    @property
    def options(self) -> Any:
        """Of the rule; `inference` itself where that is what it is told."""
        return options_of(self, self.rule)

    @property
    def member_options(self) -> list[Any]:
        """Options of the rule for each pair of an activity learning rate and an activity decay, the decay fastest."""
        options = self.options
        return options.members() if options is self.inference else [options]
