"""Linear regression on hierarchical data in closed form, by a network without and by one with a hidden layer."""

import numpy as np
import torch
import xarray as xr

from deepcredit.nets.deep_linear import draw_linear
from deepcredit.studies.saxe.experiments.deep_linear import start, targets, train
from deepcredit.studies.saxe.schemas.linear_regression import LinearRegression, Regression
from deepcredit.theory.linear_regression import least_squares


def run(config: LinearRegression) -> xr.Dataset:
    """Weights and losses of all seeds, as `LinearRegression.variables` lists them."""
    return xr.concat([_run_seed(config, seed) for seed in config.seed], dim=xr.Variable("seed", config.seed))


def train_zero_depth(weight: np.ndarray, goal: np.ndarray, lr: float, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Descend from `weight` [K,P] on the mean of (W − goal)², for one-hot inputs; the losses [T] and W at the end."""
    losses = np.empty(epochs)
    with np.errstate(over="ignore", invalid="ignore"):  # a rate too high diverges, which is a result like any other
        for epoch in range(epochs):
            error = weight - goal
            losses[epoch] = np.mean(error**2)
            weight = weight - 2 * lr / goal.size * error
    return losses, weight


def recover(seed: int, data: Regression) -> tuple[np.ndarray, np.ndarray]:
    """A random integer matrix, and its estimate from noisy samples of what it does to inputs uniform on [0, 1)."""
    random = np.random.RandomState(seed)
    true = random.randint(low=0, high=10, size=(data.matrix_size, data.matrix_size)).astype(float)
    x = random.rand(data.matrix_size, data.num_samples)
    y = true @ x + random.normal(scale=data.noise, size=x.shape)
    return true, least_squares(x, y)


def _run_seed(config: LinearRegression, seed: int) -> xr.Dataset:
    optimizer = config.optimizer
    features = targets(seed, config.data)
    generator = torch.Generator().manual_seed(seed)
    problem = start(generator, features, config.model.width)
    init_scale = torch.tensor([config.model.init_scale], dtype=torch.float64)
    lr = torch.tensor([optimizer.lr], dtype=torch.float64)
    history, weights, basis = train(problem, init_scale, lr, optimizer.epochs, config.data.item)
    goal = problem.targets.numpy()
    first = draw_linear(generator, *goal.shape).double().numpy()
    losses, zero_depth = train_zero_depth(first, goal, optimizer.zero_depth_lr, optimizer.epochs)
    solutions = {
        "analytic": least_squares(np.eye(len(features)), goal),
        "zero_depth": zero_depth,
        "deep": (basis @ weights.product()[0]).numpy(),
    }
    true, recovered = recover(seed, config.data)
    return xr.Dataset(
        {
            "weight": (("solution", "feature", "item"), np.stack(list(solutions.values()))),
            "loss": (("network", "epoch"), np.stack([losses, history.loss[0].numpy()])),
            "true_matrix": (("row", "column"), true),
            "recovered_matrix": (("row", "column"), recovered),
        },
        {
            "solution": list(solutions),
            "network": ["zero_depth", "deep"],
            "epoch": np.arange(optimizer.epochs),
            "feature": np.arange(features.shape[1]),
            "item": np.arange(len(features)),
            "row": np.arange(len(true)),
            "column": np.arange(len(true)),
        },
    )
