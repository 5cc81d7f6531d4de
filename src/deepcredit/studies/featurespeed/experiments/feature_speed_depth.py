"""Backward-feature angle at the output of residual networks against their depth."""

import numpy as np
import torch
import xarray as xr

from deepcredit.nets import resnet
from deepcredit.studies.featurespeed.experiments.feature_speed import draw_sample, padded
from deepcredit.studies.featurespeed.observables import output_angle
from deepcredit.studies.featurespeed.schemas.feature_speed import branch_scale
from deepcredit.studies.featurespeed.schemas.feature_speed_depth import FeatureSpeedDepth


def run(config: FeatureSpeedDepth) -> xr.Dataset:
    """Angles of all networks, as `FeatureSpeedDepth.variables` lists them."""
    model = config.model
    beta = np.array([[branch_scale(text, depth) for text in model.branch_scale] for depth in model.num_layers])
    angles = np.array([[_angles(config, seed, depth) for depth in model.num_layers] for seed in config.seed])
    return xr.Dataset(
        {
            "beta": (("num_layers", "branch_scale"), beta),
            "angle": (("seed", "num_layers", "updated", "branch_scale"), angles),
        },
        {
            "updated": [u.value for u in config.optimizer.updated],
            "seed": config.seed,
            "num_layers": model.num_layers,
            "branch_scale": model.branch_scale,
        },
    ).transpose("updated", "seed", "num_layers", "branch_scale")


def network_generator(seed: int, depth: int) -> torch.Generator:
    """Generator of the matrices of one seed and depth: no two depths share a draw."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, depth]).generate_state(1, np.uint64)[0]))


def _angles(config: FeatureSpeedDepth, seed: int, depth: int) -> np.ndarray:
    """Angles [updated, branch_scale] of one network; its sample depends on the seed alone."""
    model = config.model
    x, y = draw_sample(torch.Generator().manual_seed(seed), model)
    weights = resnet.initialise(network_generator(seed, depth), depth, model.width, model.input_size, model.output_size)
    beta = [branch_scale(text, depth) for text in model.branch_scale]
    angles = output_angle(weights, padded(beta), x, y, config.optimizer.updated, config.optimizer.lr)
    return torch.stack(angles)[:, : len(beta)].numpy()
