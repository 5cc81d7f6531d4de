"""What is measured while an ensemble trains, and when a member stops; a Lightning callback that asks for it.

Shapes: E members, S steps, R tests, H hidden layers, L weight layers. A test follows every `test_every`-th step. What
was not measured, because a member had stopped, is NaN. All arrays go into checkpoints.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deepcredit.nets.mlp import feedforward
from deepcredit.training import lightning as pl
from deepcredit.training.module import EnsembleModule
from deepcredit.training.stack import Stack

#: a run does not learn whose test accuracy in % is less than so much above that of guessing
ABOVE_CHANCE = 5.0

#: why a member stopped
COMPLETED, DIVERGED, NO_LEARNING = "", "diverged", "no learning"


@dataclass(frozen=True)
class Schedule:
    """How long to train, when to test, and on how many of the test images."""

    n_steps: int
    test_every: int
    n_test: int

    @property
    def tests(self) -> range:
        """Steps taken when a test follows."""
        return range(self.test_every, self.n_steps + 1, self.test_every)


class Recorder:
    """Keeps `values`, [E, …], in float64."""

    def __init__(self, *shape: int) -> None:
        self.values = torch.full(shape, torch.nan, dtype=torch.float64)

    def before(self, module: EnsembleModule, taken: int, batch: Tensor) -> None:
        """Look at the ensemble before its next step, after `taken` steps."""

    def after(self, module: EnsembleModule, taken: int, batch: Tensor) -> None:
        """Look at the ensemble after its step number `taken`, on the images `batch` [E, B]."""


class Losses(Recorder):
    """Training loss of every batch at the feed-forward values, [E, S]."""

    def __init__(self, n_members: int, schedule: Schedule, device: torch.device) -> None:
        super().__init__(n_members, schedule.n_steps)
        # where losses are computed: copying each to the CPU would wait for the GPU at every step
        self.values = self.values.to(device)

    def after(self, module: EnsembleModule, taken: int, batch: Tensor) -> None:  # noqa: ARG002
        """Keep the losses of the batch."""
        self.values[:, taken - 1] = module.losses


class AtTests(Recorder):
    """Something measured at every test, [E, R, …], by `measure`, for the members that still train."""

    def __init__(self, n_members: int, schedule: Schedule, *shape: int) -> None:
        super().__init__(n_members, len(schedule.tests), *shape)
        self.schedule = schedule

    def after(self, module: EnsembleModule, taken: int, batch: Tensor) -> None:
        """Measure if a test follows this step."""
        if taken in self.schedule.tests:
            self.record(self.schedule.tests.index(taken), module, batch)

    def record(self, position: int, module: EnsembleModule, batch: Tensor) -> None:
        """Measure all stacks, and keep that at `position` of the second axis."""
        for stack in module.training_stacks():
            self.values[stack.positions, position] = self.measure(module, stack, batch).to(self.values)

    def measure(self, module: EnsembleModule, stack: Stack, batch: Tensor) -> Tensor:
        """The quantity for the members of one stack, [E of the stack, …]."""
        raise NotImplementedError


class TestAccuracy(AtTests):
    """Accuracy in % on the test set by a feed-forward pass, [E, R]."""

    def measure(self, module: EnsembleModule, stack: Stack, batch: Tensor) -> Tensor:  # noqa: ARG002
        """On the first test images of the schedule."""
        return stack.accuracy(*module.data.first_tests(self.schedule.n_test, stack.recipe.batch_size))


class ActivityNorms(AtTests):
    """Mean over the batch of ‖z_l‖ at the end of inference, [E, R, H]."""

    def measure(self, module: EnsembleModule, stack: Stack, batch: Tensor) -> Tensor:  # noqa: ARG002
        """At the activities that the weights were just updated with."""
        return stack.activity_norms()


class WeightNorms(AtTests):
    """‖W_l‖_F, [E, R, L]."""

    def measure(self, module: EnsembleModule, stack: Stack, batch: Tensor) -> Tensor:  # noqa: ARG002
        """After the update."""
        return stack.weight_norms()


class ConditionNumbers(AtTests):
    """Condition number of the activity Hessian of the first sample of the batch, in float64, [E, 1 + R].

    `number(net, weights, z, x, y, options)` is how it can be observed of the rule, for one member.
    The first is at initialisation, at the feed-forward values; the others are at tests, at the end of inference, with
    the weights already updated.
    """

    def __init__(self, n_members: int, schedule: Schedule, number: Callable[..., float] | None) -> None:
        super().__init__(n_members, schedule)
        self.number = number or _not_observed
        self.values = torch.full((n_members, 1 + len(schedule.tests)), torch.nan, dtype=torch.float64)

    def before(self, module: EnsembleModule, taken: int, batch: Tensor) -> None:
        """Measure at initialisation."""
        if taken == 0:
            for stack in module.training_stacks():
                x, _ = module.first_sample(batch, stack)
                z, _ = feedforward(stack.recipe.net, stack.weights.map(Tensor.double), x.double())
                self.values[stack.positions, 0] = self.at(z, module, stack, batch)

    def record(self, position: int, module: EnsembleModule, batch: Tensor) -> None:
        """After the place of the initialisation."""
        super().record(1 + position, module, batch)

    def measure(self, module: EnsembleModule, stack: Stack, batch: Tensor) -> Tensor:
        """At the end of inference."""
        return self.at(stack.states()[:, :, :1], module, stack, batch)

    def at(self, z: Tensor, module: EnsembleModule, stack: Stack, batch: Tensor) -> Tensor:
        """At the activities `z` [E, H, 1, N]; member by member, since the blocks are the largest arrays of all."""
        x, y = module.first_sample(batch, stack)
        found = torch.full((len(stack.members),), torch.nan, dtype=torch.float64)
        for member, settings in enumerate(stack.members):
            if not stack.frozen[member]:
                one = slice(member, member + 1)
                weights = stack.weights.members(one)
                found[member] = self.number(stack.recipe.net, weights, z[one], x[one], y[one], settings.options)
        return found


def _not_observed(*arguments: Any) -> float:  # noqa: ARG001
    """The condition number under a rule of which none is asked for."""
    return math.nan


class StopPolicy:
    """Freezes a member whose loss is not finite, or that at a test is not `ABOVE_CHANCE`; the others go on.

    Goes after the recorders. `steps` is the number of steps a member trained for, `reasons` why it stopped.
    """

    def __init__(self, losses: Losses, accuracy: TestAccuracy) -> None:
        self.losses, self.accuracy, self.schedule = losses, accuracy, accuracy.schedule
        self.steps = [self.schedule.n_steps] * len(accuracy.values)
        self.reasons = [COMPLETED] * len(accuracy.values)
        #: steps whose losses have been looked at
        self._looked = 0

    @property
    def all_stopped(self) -> bool:
        """Nobody trains any more."""
        return COMPLETED not in self.reasons

    def resume(self, module: EnsembleModule) -> None:
        """Freeze again what a checkpoint knows as stopped."""
        for member, reason in enumerate(self.reasons):
            if reason != COMPLETED:
                module.stop(member)

    def after(self, module: EnsembleModule, taken: int) -> None:
        """Look at losses where that costs nothing, else at tests and at the end; and at accuracies at tests."""
        at_test = taken in self.schedule.tests
        if at_test or taken == self.schedule.n_steps or module.losses.device.type == "cpu":
            self._stop_diverged(module, taken)
        if at_test:
            self._stop_at_chance(module, taken)
            module.drop_frozen()

    def _stop_diverged(self, module: EnsembleModule, taken: int) -> None:
        """Where a loss was not finite since the last look, the member had stopped before it."""
        looked, self._looked = self._looked, taken
        finite = self.losses.values[:, looked:taken].isfinite().cpu()
        for member in self._training():
            if not finite[member].all():
                self._stop(module, member, looked + finite[member].tolist().index(False), DIVERGED)

    def _stop_at_chance(self, module: EnsembleModule, taken: int) -> None:
        test = self.schedule.tests.index(taken)
        for member in self._training():
            accuracy = self.accuracy.values[member, test].item()
            if math.isnan(accuracy):
                self._stop(module, member, taken, DIVERGED)
            elif accuracy < 100 / module.data.n_classes + ABOVE_CHANCE:
                self._stop(module, member, taken, NO_LEARNING)

    def _training(self) -> list[int]:
        return [member for member, reason in enumerate(self.reasons) if reason == COMPLETED]

    def _stop(self, module: EnsembleModule, member: int, step: int, reason: str) -> None:
        self.steps[member], self.reasons[member] = step, reason
        module.stop(member)


class Recording(pl.Callback):
    """Shows every step to the recorders, then to the stop policy, and keeps both in checkpoints."""

    def __init__(self, recorders: list[Recorder], stops: StopPolicy) -> None:
        self.recorders, self.stops = recorders, stops

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """After a checkpoint has been read."""
        self.stops.resume(pl_module)

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Before a step."""
        for recorder in self.recorders:
            recorder.before(pl_module, trainer.global_step, batch)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: Any,
        outputs: Any,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """After a step."""
        for recorder in self.recorders:
            recorder.after(pl_module, trainer.global_step, batch)
        self.stops.after(pl_module, trainer.global_step)
        trainer.should_stop = self.stops.all_stopped

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        values = [recorder.values for recorder in self.recorders]
        return {"values": values, "steps": self.stops.steps, "reasons": self.stops.reasons}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        for recorder, values in zip(self.recorders, state_dict["values"], strict=True):
            recorder.values.copy_(values)
        self.stops.steps, self.stops.reasons = state_dict["steps"], state_dict["reasons"]
