"""Interference: a linear network of 1 input, 1 hidden and 2 output units, of which one output is right already.

Shapes: E = B = 1, one hidden layer of N = 1, K = 2 outputs.

Source: Song et al. 2024, the first example. Nothing is drawn at random.
"""

import numpy as np
import torch
import xarray as xr

from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.rules.rule import RULES, options_of
from deepcredit.studies.prospective.schemas.interference import Interference

NET = MLP(input_size=1, width=1, n_hidden=1, output_size=2)

#: outputs at which the loss surface is recorded, around every trajectory of the paper's example
GRID = np.linspace(-0.25, 1.25, 121)


def run(config: Interference) -> xr.Dataset:
    """Outputs before every learning step, under every rule, and the loss surface."""
    target = np.array(config.data.target)
    return xr.Dataset(
        {
            "prediction": (("rule", "step", "output"), np.stack([trajectory(config, r) for r in config.rule])),
            "target": (("output",), target),
            "loss": (("output_2", "output_1"), loss_surface(target)),
        },
        coords={
            "rule": config.rule,
            "step": range(config.optimizer.n_steps),
            "output": [1, 2],
            "output_1": GRID,
            "output_2": GRID,
        },
    )


def loss_surface(target: np.ndarray) -> np.ndarray:
    """½ Σ (output − target)² on the grid, [second output, first output]."""
    first, second = np.meshgrid(GRID, GRID)
    return ((first - target[0]) ** 2 + (second - target[1]) ** 2) / 2


def trajectory(config: Interference, rule: str) -> np.ndarray:
    """The two outputs before each of the learning steps, [step, output]."""
    learner, options = RULES[rule].learner("direction"), options_of(config, rule)
    x = torch.full((1, 1, 1), config.data.input)
    y = torch.tensor(config.data.target).reshape(1, 1, 2)
    weights = Weights.from_layers([torch.full((1, out, 1), config.model.initial_weight) for out in (1, 2)])
    predictions = []
    for _ in range(config.optimizer.n_steps):
        predictions.append(feedforward(NET, weights, x)[1].flatten())
        step = learner(NET, weights, 1, options).learn(x, y)
        weights = Weights(*(w - config.optimizer.lr * g for w, g in zip(weights, step, strict=True)))
    return torch.stack(predictions).numpy()
