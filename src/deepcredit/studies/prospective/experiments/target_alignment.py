"""Target alignment: how far does one learning step move the output straight towards its target?

Shapes: E members (seeds), H hidden layers, L = H + 1, B batch, N width (of every layer, input and output too).

The networks of all seeds are one stack; a member's numbers are the same whichever seeds are beside it.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Generator, Tensor, nn

from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.nets.names import Init
from deepcredit.rules import backprop
from deepcredit.rules.predictive_coding import halving
from deepcredit.rules.predictive_coding.energy import weight_gradient
from deepcredit.rules.target_propagation import exact
from deepcredit.studies.prospective.schemas.target_alignment import AlignmentModel, Rule, TargetAlignment
from deepcredit.theory.alignment import target_alignment


class Task(NamedTuple):
    """What every rule is given: networks, and one batch for each of them."""

    net: MLP
    weights: Weights
    x: Tensor  #: [E, B, N]
    y: Tensor  #: [E, B, N]


def run(config: TargetAlignment) -> xr.Dataset:
    """Alignment of one step of every rule, for every activation function, weight learning rate and seed."""
    alignment = [
        [_alignments(task, direction, config.optimizer.lr) for task in _tasks(config)] for direction in _rules(config)
    ]
    overshoot, condition_number = _conditioning(config)
    return xr.Dataset(
        {
            "target_alignment": (("rule", "act_fn", "weight_lr", "seed"), np.array(alignment)),
            "overshoot": (("weight_lr", "seed"), overshoot),
            "condition_number": (("seed",), condition_number),
        },
        coords={
            "rule": [rule.value for rule in config.rule.name],
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

#: what a step of learning rate 1 subtracts from the weights, summed over the batch
Direction = Callable[[Task], Weights]


def _rules(config: TargetAlignment) -> list[Direction]:
    options = halving.Halving(config.inference.lr, config.inference.n_steps)
    directions: dict[Rule, Direction] = {
        Rule.BP: backprop_direction,
        Rule.PC: lambda task: predictive_coding_direction(task, options),
        Rule.TP: lambda task: Weights.from_layers(exact.direction(task.weights.layers(), task.x, task.y)),
    }
    return [directions[rule] for rule in config.rule.name]


def backprop_direction(task: Task) -> Weights:
    """Gradient of ½ Σ (output − target)²."""
    batch_size = task.x.shape[1]
    return backprop.gradient(*task).map(lambda gradient: batch_size * gradient)


def predictive_coding_direction(task: Task, options: halving.Halving) -> Weights:
    """Gradient of the summed energy at the inferred activities."""
    net, weights, x, y = task
    z = halving.infer(net, weights, x, y, options).z
    return weight_gradient(net, weights, z, x, y).map(lambda gradient: x.shape[1] * gradient)


def _alignments(task: Task, direction: Direction, rates: list[float]) -> list[np.ndarray]:
    """Alignment of a step with each learning rate, [E] each."""
    step = direction(task)
    return [_alignment(task, step, lr).numpy() for lr in rates]


def _alignment(task: Task, step: Weights, lr: float) -> Tensor:
    net, weights, x, y = task
    moved = Weights(*(weight - lr * change for weight, change in zip(weights, step, strict=True)))
    return target_alignment(feedforward(net, weights, x)[1], feedforward(net, moved, x)[1], y)


def _conditioning(config: TargetAlignment) -> tuple[np.ndarray, np.ndarray]:
    """`overshoot` [weight_lr, seed] and `condition_number` [seed] of target propagation, NaN where it does not run."""
    n_rates, n_seeds = len(config.optimizer.lr), len(config.seed)
    if Rule.TP not in config.rule.name:
        return np.full((n_rates, n_seeds), np.nan), np.full(n_seeds, np.nan)
    _, weights, x, y = _task(config, config.model.act_fn[0])
    largest = exact.overshoot(weights.layers(), x, y).double().numpy()
    return np.outer(config.optimizer.lr, largest), exact.condition_number(weights.layers()).numpy()
