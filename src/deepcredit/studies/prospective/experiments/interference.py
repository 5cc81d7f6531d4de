"""Interference: a linear network of 1 input, 1 hidden and 2 output units, of which one output is right already.

Shapes: E = B = 1, one hidden layer of N = 1, K = 2 outputs.

Source: Song et al. 2024, the first example. Nothing is drawn at random.
"""

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.rules import backprop
from deepcredit.rules.predictive_coding import halving
from deepcredit.rules.predictive_coding.energy import weight_gradient
from deepcredit.studies.prospective.schemas.interference import Interference

NET = MLP(input_size=1, width=1, n_hidden=1, output_size=2)

#: outputs at which the loss surface is recorded, around every trajectory of the paper's example
GRID = np.linspace(-0.25, 1.25, 121)


def run(config: Interference) -> xr.Dataset:
    """Outputs before every learning step, under predictive coding and backpropagation, and the loss surface."""
    target = np.array(config.data.target)
    return xr.Dataset(
        {
            "prediction": (("rule", "step", "output"), np.stack([trajectory(config, g) for g in _gradients(config)])),
            "target": (("output",), target),
            "loss": (("output_2", "output_1"), loss_surface(target)),
        },
        coords={
            "rule": ["PC", "BP"],
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


Gradient = Callable[[Weights, Tensor, Tensor], Weights]


def _gradients(config: Interference) -> list[Gradient]:
    options = halving.Halving(config.inference.lr, config.inference.n_steps)

    def predictive_coding(weights: Weights, x: Tensor, y: Tensor) -> Weights:
        return weight_gradient(NET, weights, halving.infer(NET, weights, x, y, options).z, x, y)

    return [predictive_coding, lambda weights, x, y: backprop.gradient(NET, weights, x, y)]


def trajectory(config: Interference, gradient: Gradient) -> np.ndarray:
    """The two outputs before each of the learning steps, [step, output]."""
    x = torch.full((1, 1, 1), config.data.input)
    y = torch.tensor(config.data.target).reshape(1, 1, 2)
    weights = Weights.from_layers([torch.full((1, out, 1), config.model.initial_weight) for out in (1, 2)])
    predictions = []
    for _ in range(config.optimizer.n_steps):
        predictions.append(feedforward(NET, weights, x)[1].flatten())
        step = gradient(weights, x, y)
        weights = Weights(*(w - config.optimizer.lr * g for w, g in zip(weights, step, strict=True)))
    return torch.stack(predictions).numpy()
