"""Target alignment: how far does one learning step move the output straight towards its target?

Shapes: E members (seeds), H hidden layers, L = H + 1, B batch, N width (of every layer, input and output too).

The networks of all seeds are one stack; a member's numbers are the same whichever seeds are beside it.
"""

import math
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Generator, Tensor, nn

from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.nets.names import Init
from deepcredit.rules.rule import RULES, options_of
from deepcredit.studies.prospective.schemas.target_alignment import AlignmentModel, TargetAlignment
from deepcredit.theory.alignment import target_alignment


class Task(NamedTuple):
    """What every rule is given: networks, and one batch for each of them."""

    net: MLP
    weights: Weights
    x: Tensor  #: [E, B, N]
    y: Tensor  #: [E, B, N]


def run(config: TargetAlignment) -> xr.Dataset:
    """Alignment of one step of every rule, for every activation function, weight learning rate and seed."""
    tasks, rates = _tasks(config), config.optimizer.lr
    steps = [[_step(config, name, task) for task in tasks] for name in config.rule]
    alignment = [[_alignments(task, of.weights, rates) for task, of in zip(tasks, s, strict=True)] for s in steps]
    overshoot, condition_number = _conditioning(config, [of.observed for of, *_ in steps])
    return xr.Dataset(
        {
            "target_alignment": (("rule", "act_fn", "weight_lr", "seed"), np.array(alignment)),
            "overshoot": (("weight_lr", "seed"), overshoot),
            "condition_number": (("seed",), condition_number),
        },
        coords={
            "rule": config.rule,
            "act_fn": config.model.act_fn,
            "weight_lr": config.optimizer.lr,
            "seed": config.seed,
        },
    )


# --- networks and data --------------------------------------------------------------------------------------------


def _tasks(config: TargetAlignment) -> list[Task]:
    return [_task(config, act_fn) for act_fn in config.model.act_fn]


def _task(config: TargetAlignment, act_fn: str) -> Task:
    model = config.model
    drawn = [draw(seed, model, act_fn, config.data.batch_size) for seed in config.seed]
    x, y, *layers = (torch.stack(tensors) for tensors in zip(*drawn, strict=True))
    net = MLP(model.width, model.width, model.num_layers - 1, model.width, act_fn)
    return Task(net, Weights.from_layers(layers), x, y)


def draw(seed: int, model: AlignmentModel, act_fn: str, batch_size: int) -> list[Tensor]:
    """Input [B, N], target [B, N] and the matrices [N, N] of one member, from one generator, in this order.

    Every matrix is drawn twice: all of them first as a linear layer is by default, and then with the initialisation
    asked for. The first draws are overwritten, but they move the generator on, and the published numbers depend
    on where it stands.
    """
    rng = torch.Generator().manual_seed(seed)
    x, y = (torch.normal(torch.zeros(batch_size, model.width), 1.0, generator=rng) for _ in range(2))
    layers = [torch.empty(model.width, model.width) for _ in range(model.num_layers)]
    for weight in layers:
        nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=rng)
    for weight in layers:
        _INIT[model.init](weight, ACTIVATIONS[act_fn].gain, rng)
    return [x, y, *layers]


_INIT: dict[Init, Callable[[Tensor, float, Generator], Tensor]] = {
    Init.xavier_uniform: lambda weight, gain, rng: nn.init.xavier_uniform_(weight, gain, rng),
    Init.orthogonal: lambda weight, gain, rng: nn.init.orthogonal_(weight, gain, rng),
}


# --- one step -----------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """What a step of learning rate 1 subtracts from the weights, and what was observed of the rule."""

    weights: Weights
    observed: Mapping[str, Tensor]


def _step(config: TargetAlignment, rule: str, task: Task) -> Step:
    learner = RULES[rule].learner("direction")(task.net, task.weights, config.data.batch_size, options_of(config, rule))
    return Step(learner.learn(task.x, task.y), learner.observed)


def _alignments(task: Task, step: Weights, rates: list[float]) -> list[np.ndarray]:
    """Alignment of a step with each learning rate, [E] each."""
    return [_alignment(task, step, lr).numpy() for lr in rates]


def _alignment(task: Task, step: Weights, lr: float) -> Tensor:
    net, weights, x, y = task
    moved = Weights(*(weight - lr * change for weight, change in zip(weights, step, strict=True)))
    return target_alignment(feedforward(net, weights, x)[1], feedforward(net, moved, x)[1], y)


def _conditioning(config: TargetAlignment, observed: Sequence[Mapping[str, Tensor]]) -> tuple[np.ndarray, np.ndarray]:
    """`overshoot` [weight_lr, seed] and `condition_number` [seed] of the rule that has them, NaN where none has."""
    none = torch.full((len(config.seed),), torch.nan)
    seen = {"overshoot": none, "condition_number": none} | dict(ChainMap(*map(dict, observed)))
    largest = seen["overshoot"].double().numpy()
    return np.outer(config.optimizer.lr, largest), seen["condition_number"].double().numpy()
