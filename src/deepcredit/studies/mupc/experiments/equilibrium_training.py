"""Training with ∂F/∂W at the equilibrium of inference; loss, energy there and their ratio at every iteration.

Shapes: B batch, D input, N width, K output. All in float64, one network at a time, on the CPU.

The equilibrium is exact for linear networks, and found by Newton's method for others.
"""

from itertools import islice

import numpy as np
import torch
import xarray as xr

from deepcredit.data import mnist
from deepcredit.data.batches import Batches
from deepcredit.nets.init import Stream, draw_weights, generator
from deepcredit.nets.mlp import MLP, Weights
from deepcredit.nets.names import ActFn
from deepcredit.rules.predictive_coding.exact_learning import ExactLearner, Learned
from deepcredit.rules.predictive_coding.numerical_learning import NumericalLearner
from deepcredit.studies.mupc.schemas.equilibrium_training import EquilibriumTraining

#: recorded of one batch: loss, energy, products of the search, norm of ∂F/∂z
Record = tuple[float, float, float, float]


def run(config: EquilibriumTraining) -> xr.Dataset:
    """Loss, energy and ratio of every width and seed over training."""
    images = mnist.load(config.data.dataset.value)
    records = np.array([[train(config, images, width, seed) for seed in config.seed] for width in config.model.width])
    loss, energy, steps, norm = np.moveaxis(records, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = loss / energy
    arrays = {"loss": loss, "energy": energy, "ratio": ratio, "inference_steps": steps, "gradient_norm": norm}
    return xr.Dataset(
        {name: (("width", "seed", "step"), values) for name, values in arrays.items()},
        {"width": config.model.width, "seed": config.seed, "step": np.arange(config.optimizer.n_steps)},
    )


def train(config: EquilibriumTraining, images: mnist.Images, width: int, seed: int) -> list[Record]:
    """Train one network; the record of every iteration, before its update."""
    model, data = config.model, config.data
    net = MLP(
        images.train_images.shape[1],
        width,
        model.n_hidden,
        mnist.N_CLASSES,
        model.act_fn,
        model.parameterisation,
        model.skips,
    )
    weights = draw_weights(net, model.init, [seed], dtype=torch.float64)
    learner = _learner(config, net, weights)
    optimizer = torch.optim.Adam([w for w in weights if w.numel()], lr=config.optimizer.lr, fused=True)
    for weight, grad in zip(weights, learner.gradient, strict=True):
        weight.grad = grad
    order = torch.randperm(len(images.train_images), generator=generator(seed, Stream.data_order))
    records = []
    for x, y in islice(Batches(images, order.numpy(), data.batch_size), config.optimizer.n_steps):
        batch = (torch.from_numpy(a).double()[None] for a in (x, y))
        records.append(_record(learner.learn(*batch)))
        optimizer.step()
    return records


def _learner(config: EquilibriumTraining, net: MLP, weights: Weights) -> ExactLearner | NumericalLearner:
    if net.act_fn is ActFn.linear:
        return ExactLearner(net, weights)
    return NumericalLearner(net, weights, config.inference)


def _record(learned: Learned) -> Record:
    return learned.loss.item(), learned.energy.item(), float(learned.products), learned.gradient_norm
