"""Training with ∂F/∂W at the equilibrium of inference; loss, energy there and their ratio at every iteration.

Shapes: B batch, D input, N width, K output. All in float64, one network at a time, on the CPU.

The equilibrium is exact for linear networks, and found by Newton's method for others.
"""

import numpy as np
import torch
import xarray as xr

from deepcredit.data import samples
from deepcredit.data.samples import Samples
from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP, Weights
from deepcredit.rules.predictive_coding.exact_learning import ExactLearner, Learned
from deepcredit.rules.predictive_coding.numerical_learning import NumericalLearner
from deepcredit.studies.mupc.schemas.equilibrium_training import EquilibriumTraining
from deepcredit.training.order import one_epoch

#: recorded of one batch: loss, energy, products of the search, norm of ∂F/∂z
Record = tuple[float, float, float, float]


def run(config: EquilibriumTraining) -> xr.Dataset:
    """Loss, energy and ratio of every width and seed over training."""
    images = samples.load(config.data.chosen)
    records = np.array([[train(config, images, width, seed) for seed in config.seed] for width in config.model.width])
    loss, energy, steps, norm = np.moveaxis(records, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = loss / energy
    arrays = {"loss": loss, "energy": energy, "ratio": ratio, "inference_steps": steps, "gradient_norm": norm}
    return xr.Dataset(
        {name: (("width", "seed", "step"), values) for name, values in arrays.items()},
        {"width": config.model.width, "seed": config.seed, "step": np.arange(config.optimizer.n_steps)},
    )


def train(config: EquilibriumTraining, images: Samples, width: int, seed: int) -> list[Record]:
    """Train one network; the record of every iteration, before its update."""
    model, sizes = config.model, config.data.sizes
    shape = (sizes.n_inputs, width, model.n_hidden, sizes.n_classes)
    net = MLP(*shape, model.act_fn, model.parameterisation, model.skips)
    weights = draw_weights(net, model.init, [seed], dtype=torch.float64)
    learner = _learner(config, net, weights)
    optimizer = torch.optim.Adam([w for w in weights if w.numel()], lr=config.optimizer.lr, fused=True)
    for weight, grad in zip(weights, learner.gradient, strict=True):
        weight.grad = grad
    records = []
    for x, y in one_epoch(images, seed, config.data.batch_size, config.optimizer.n_steps):
        records.append(_record(learner.learn(x.double()[None], y.double()[None])))
        optimizer.step()
    return records


def _learner(config: EquilibriumTraining, net: MLP, weights: Weights) -> ExactLearner | NumericalLearner:
    if net.activation.linear:
        return ExactLearner(net, weights)
    return NumericalLearner(net, weights, config.inference)


def _record(learned: Learned) -> Record:
    return learned.loss.item(), learned.energy.item(), float(learned.products), learned.gradient_norm
