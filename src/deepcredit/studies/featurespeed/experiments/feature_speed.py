"""One learning step of a residual network, seen at every layer: a cell is one depth and width.

Seeds are computed one after another, since each has matrices of its own; the branch scales of a seed share them.
"""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from deepcredit.nets import resnet
from deepcredit.studies.featurespeed.observables import Observables, formula, observe
from deepcredit.studies.featurespeed.schemas.feature_speed import FeatureSpeed, ResNet, branch_scale
from deepcredit.studies.featurespeed.schemas.feature_speed_depth import ResNetsByDepth

# A matrix product of a multiple of eight rows gives each row the same bits whatever the others are; fewer rows, or an
# odd number, may take another path through the linear algebra library.
_ROWS = 8


def run(config: FeatureSpeed) -> xr.Dataset:
    """Observables of the step, as `FeatureSpeed.variables` lists them."""
    model = config.model
    beta = [branch_scale(text, model.num_layers) for text in model.branch_scale]
    observed = [_observe_seed(config, seed, beta) for seed in config.seed]
    dims = ("seed", "updated", "branch_scale", "layer")
    arrays = {name: _stack(observed, name) for name in Observables._fields} | {"formula": _formulas(observed)}
    coordinates = {
        "updated": [u.value for u in config.optimizer.updated],
        "seed": config.seed,
        "branch_scale": model.branch_scale,
        "layer": np.arange(1, model.num_layers),
    }
    dataset = xr.Dataset({name: (dims, array[:, :, : len(beta)]) for name, array in arrays.items()}, coordinates)
    return dataset.assign(beta=("branch_scale", beta)).transpose("updated", "seed", "branch_scale", "layer")


def draw_sample(generator: torch.Generator, model: ResNet | ResNetsByDepth) -> tuple[Tensor, Tensor]:
    """Input ~ N(0, 1/D) [D] and target ~ N(0, 1/K) [K]."""
    x = torch.empty(model.input_size).normal_(0.0, model.input_size**-0.5, generator=generator)
    y = torch.empty(model.output_size).normal_(0.0, model.output_size**-0.5, generator=generator)
    return x.double(), y.double()


def padded(beta: Sequence[float]) -> Tensor:
    """`beta` as float64, repeated up to a multiple of eight members; the members added are to be dropped."""
    extra = -len(beta) % _ROWS
    return torch.tensor([*beta, *[beta[-1]] * extra], dtype=torch.float64)


def _observe_seed(config: FeatureSpeed, seed: int, beta: Sequence[float]) -> list[Observables]:
    generator = torch.Generator().manual_seed(seed)
    model = config.model
    x, y = draw_sample(generator, model)
    weights = resnet.initialise(generator, model.num_layers, model.width, model.input_size, model.output_size)
    return observe(weights, padded(beta), x, y, config.optimizer.updated, config.optimizer.lr)


def _stack(observed: list[list[Observables]], name: str) -> np.ndarray:
    """[seed, updated, E, H] of one observable."""
    return np.stack([[getattr(one, name).T.numpy() for one in of_seed] for of_seed in observed])


def _formulas(observed: list[list[Observables]]) -> np.ndarray:
    return np.stack([[formula(one.sensitivity).T.numpy() for one in of_seed] for of_seed in observed])
