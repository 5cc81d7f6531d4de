"""Target propagation and backpropagation in a linear network of two units a layer, step by step, in float64.

Each rule learns with its own current weights and its own current error. Nothing is drawn at random.
Shapes: E = B = 1; L matrices [1, 2, 2]; states x_0 … x_L [1, 1, 2]. Recorded arrays drop E and B.
"""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from deepcredit.rules.learner import Learner
from deepcredit.rules.linear import states, updates
from deepcredit.rules.linear_backprop import output_gradients
from deepcredit.rules.rule import RULES, options_of
from deepcredit.studies.targetprop.schemas.tp_linear import TpLinear, TpLinearModel
from deepcredit.theory.subspaces import subspaces

#: dimensions of the recorded arrays, without those of rule and step
DIMS = {
    "activation": ("layer", "unit"),
    "target": ("layer", "unit"),
    "output_gradient": ("layer", "unit"),
    "loss": (),
    "weight": ("matrix", "unit_out", "unit"),
    "weight_update": ("matrix", "unit_out", "unit"),
    "update_row_space": ("matrix", "unit"),
    "move_cosine": ("matrix",),
    "move_ratio": ("matrix",),
}


def run(config: TpLinear) -> xr.Dataset:
    """States of every rule before each step and after the last, and the subspaces of the first weights."""
    records = [trajectory(config, rule) for rule in config.rule]
    variables = {
        name: (("rule", "step", *dims), np.stack([[state[name] for state in record] for record in records]))
        for name, dims in DIMS.items()
    }
    first = [lines(weight[0]) for weight in initial_layers(config.model)]
    return xr.Dataset(
        {
            **variables,
            "basis": (("matrix", "subspace", "unit"), np.stack(first)),
            "y": (("unit",), np.array(config.data.y)),
        },
        coords={
            "rule": config.rule,
            "step": np.arange(config.optimizer.n_steps + 1),
            "layer": np.arange(config.model.num_layers + 1),
            "matrix": np.arange(1, config.model.num_layers + 1),
            "unit": [1, 2],
            "unit_out": [1, 2],
            "subspace": ["image", "kernel", "coimage", "cokernel"],
        },
    )


def initial_layers(model: TpLinearModel) -> list[Tensor]:
    """Equal matrices of rank one and norm one, [1, 2, 2] each."""
    left, right = (torch.tensor(v, dtype=torch.float64) for v in (model.left, model.right))
    weight = torch.outer(left / left.norm(), right / right.norm())
    return [weight[None] for _ in range(model.num_layers)]


def lines(weight: Tensor) -> np.ndarray:
    """The one basis vector of each of the four subspaces of a matrix of rank one, [subspace, unit]."""
    return torch.stack([basis[:, 0] for basis in subspaces(weight)]).numpy()


def trajectory(config: TpLinear, rule: str) -> list[dict[str, np.ndarray]]:
    """What is recorded of one rule, for every state."""
    x, y = (torch.tensor(v, dtype=torch.float64).reshape(1, 1, 2) for v in (config.data.x, config.data.y))
    layers = initial_layers(config.model)
    record = []
    for _ in range(config.optimizer.n_steps + 1):
        values = states(layers, x)
        gradients = output_gradients(layers, values, y)
        errors = errors_by(config, config.targets, layers).learn(x, y)
        steps = updates(errors_by(config, rule, layers).learn(x, y), values, config.optimizer.lr)
        moved = [weight + step for weight, step in zip(layers, steps, strict=True)]
        record.append(
            {
                "activation": rows(values),
                "target": rows(values) - rows(errors),
                "output_gradient": rows(gradients),
                "loss": gradients[-1].square().sum().numpy() / 2,
                "weight": torch.cat(layers).numpy(),
                "weight_update": torch.cat(steps).numpy(),
                "update_row_space": np.stack([row_space(step[0]) for step in steps]),
                **moves(values, states(moved, x), errors),
            }
        )
        layers = moved
    return record


def errors_by(config: TpLinear, rule: str, layers: Sequence[Tensor]) -> Learner[list[Tensor]]:
    """The rule at work on these weights."""
    return RULES[rule].learner("linear_errors")(layers, options_of(config, rule))


def rows(of_layers: Sequence[Tensor]) -> np.ndarray:
    """States x_0 … x_L as one array [layer, unit]."""
    return torch.cat(list(of_layers)).squeeze(1).numpy()


def row_space(update: Tensor) -> np.ndarray:
    """Leading right singular vector of an update, [unit]."""
    return torch.linalg.svd(update).Vh[0].numpy()


def moves(before: Sequence[Tensor], after: Sequence[Tensor], errors: Sequence[Tensor]) -> dict[str, np.ndarray]:
    """Direction and length of the move of x_1 … x_L in one step, against the way t_l − x_l to the target."""
    move, way = (rows(after) - rows(before))[1:], -rows(errors)[1:]
    along = (move * way).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = along / (np.linalg.norm(move, axis=1) * np.linalg.norm(way, axis=1))
        return {"move_cosine": cosine, "move_ratio": along / (way**2).sum(1)}
