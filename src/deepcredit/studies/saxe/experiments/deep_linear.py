"""A deep linear network learns hierarchical data: a cell is one tree and width, with all γ and learning rates.

Shapes: E members (γ × learning rate) of one seed, T epochs, P items, K features, R directions (see nets.deep_linear).
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from deepcredit.data.tree import sample_features
from deepcredit.nets import deep_linear
from deepcredit.nets.deep_linear import Weights
from deepcredit.studies.saxe.schemas.deep_linear import DeepLinear, Tree
from deepcredit.theory import mode_curves


class Start(NamedTuple):
    """A seed's problem: targets Yᵀ [K,P], and the weights W_1 [N,P], W_2 [K,N] that γ multiplies; float64."""

    targets: Tensor
    w_in: Tensor
    w_out: Tensor


class History(NamedTuple):
    """What is recorded of a training: [E,T], [E,T], [E,T,modes], [E,T,P,P]."""

    loss: Tensor
    prediction: Tensor
    singular_value: Tensor
    rsm: Tensor


def run(config: DeepLinear) -> xr.Dataset:
    """Curves of all members, as `DeepLinear.variables` lists them."""
    return xr.concat([_run_seed(config, seed) for seed in config.seed], dim=xr.Variable("seed", config.seed))


def targets(seed: int, data: Tree) -> np.ndarray:
    """Features of the tree, and `new_feature` after them if there is one: ±1, [items, features]."""
    random = np.random.RandomState(seed)
    sampled = sample_features(random, data.levels, data.branches, data.flip, data.root_flip, data.num_features)
    new = np.array(data.new_feature, dtype=np.int8).reshape(-1, data.num_items).T
    return np.hstack([sampled, new])


def start(generator: torch.Generator, features: np.ndarray, width: int) -> Start:
    """The problem of `features` [P,K], with weights drawn from `generator`."""
    w_in, w_out = deep_linear.draw_standard(generator, len(features), width, features.shape[1])
    return Start(torch.tensor(features.T, dtype=torch.float64), w_in, w_out)


def train(problem: Start, init_scale: Tensor, lr: Tensor, epochs: int, item: int) -> tuple[History, Weights, Tensor]:
    """Train members with γ = `init_scale` [E] and rates `lr` [E].

    Returns the history, the weights at the end in the directions of a basis, and that basis Q [K,R].
    """
    basis = deep_linear.span(problem.w_out, problem.targets)
    goal = basis.T @ problem.targets
    weights = Weights(init_scale[:, None, None] * problem.w_in, init_scale[:, None, None] * (basis.T @ problem.w_out))
    history = _empty_history(len(lr), epochs, problem.targets.shape[1], min(goal.shape))
    output = weights.product()
    for epoch in range(epochs):
        error = output - goal
        history.loss[:, epoch] = error.square().sum((-2, -1)) / problem.targets.numel()
        history.prediction[:, epoch] = (output[:, :, item] * basis[-1]).sum(-1)
        history.rsm[:, epoch] = weights.w_in.mT @ weights.w_in
        weights = deep_linear.descend(weights, error, lr, problem.targets.numel())
        output = weights.product()
        history.singular_value[:, epoch] = deep_linear.singular_values(output)
    return history, weights, basis


def _empty_history(members: int, epochs: int, items: int, modes: int) -> History:
    return History(
        loss=torch.empty(members, epochs, dtype=torch.float64),
        prediction=torch.empty(members, epochs, dtype=torch.float64),
        singular_value=torch.empty(members, epochs, modes, dtype=torch.float64),
        rsm=torch.empty(members, epochs, items, items),
    )


def _run_seed(config: DeepLinear, seed: int) -> xr.Dataset:
    model, optimizer = config.model, config.optimizer
    features = targets(seed, config.data)
    problem = start(torch.Generator().manual_seed(seed), features, model.width)
    members = torch.tensor(list(product(model.init_scale, optimizer.lr)), dtype=torch.float64)
    history, _, _ = train(problem, members[:, 0], members[:, 1], optimizer.epochs, config.data.item)
    target_values, curves = _closed_form(problem, members.numpy(), optimizer.epochs)
    lead = ("init_scale", "weight_lr", "epoch")
    shape = (len(model.init_scale), len(optimizer.lr))
    arrays = {
        "loss": (lead, history.loss.numpy()),
        "prediction": (lead, history.prediction.numpy()),
        "singular_value": ((*lead, "mode"), history.singular_value.numpy()),
        "mode_curve": ((*lead, "mode"), curves),
        "rsm": ((*lead, "item", "other_item"), history.rsm.numpy()),
    }
    arrays = {name: (dims, array.reshape(*shape, *array.shape[1:])) for name, (dims, array) in arrays.items()}
    arrays["target"] = (("item", "feature"), features)
    arrays["target_singular_value"] = (("mode",), target_values)
    coordinates = {
        "init_scale": model.init_scale,
        "weight_lr": optimizer.lr,
        "epoch": np.arange(optimizer.epochs),
        "mode": np.arange(1, len(target_values) + 1),
        "item": np.arange(len(features)),
        "other_item": np.arange(len(features)),
        "feature": np.arange(features.shape[1]),
    }
    return xr.Dataset(arrays, coordinates)


def _closed_form(problem: Start, members: np.ndarray, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Singular values of the targets [modes], and the mode curves [E,T,modes] of `members` (γ, learning rate) [E,2]."""
    left, values, right = np.linalg.svd(problem.targets.numpy(), full_matrices=False)
    amplitude = mode_curves.initial_amplitude(problem.w_in.numpy(), problem.w_out.numpy(), left, right.T)
    init_scale, lr = members[:, 0, None, None], members[:, 1, None, None]
    updates = np.arange(1, epochs + 1)[:, None]
    rate = mode_curves.rate(values, lr, problem.targets.numel())
    return values, mode_curves.mode_curve(values, (init_scale * amplitude) ** 2, rate, updates)
