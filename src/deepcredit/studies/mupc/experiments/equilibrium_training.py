"""Training with ∂F/∂W at the equilibrium of inference; loss, energy there and their ratio at every iteration.

Shapes: B batch, D input, N width, K output. All in float64, one network at a time, on the CPU.

The equilibrium is exact for linear networks, and found by Newton's method for others.
"""

from collections.abc import Callable
from itertools import islice

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from deepcredit.data import mnist
from deepcredit.data.batches import Batches
from deepcredit.nets.init import Stream, draw_weights, generator
from deepcredit.nets.mlp import MLP, Weights, predict
from deepcredit.rules import backprop
from deepcredit.rules.predictive_coding.energy import weight_gradient
from deepcredit.rules.predictive_coding.exact_learning import ExactLearner
from deepcredit.rules.predictive_coding.newton import NewtonOptions, find_equilibrium
from deepcredit.studies.mupc.schemas.equilibrium_training import EquilibriumTraining

#: recorded of one batch: loss, energy, products of the search, norm of ∂F/∂z
Record = tuple[float, float, float, float]

#: one batch, `x` [B, D] and `y` [B, K]: fills the gradient of the weights and returns what is recorded
Learn = Callable[[Tensor, Tensor], Record]


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
    gradient, learn = _learner(config, net, weights)
    optimizer = torch.optim.Adam([w for w in weights if w.numel()], lr=config.optimizer.lr, fused=True)
    for weight, grad in zip(weights, gradient, strict=True):
        weight.grad = grad
    order = torch.randperm(len(images.train_images), generator=generator(seed, Stream.data_order))
    records = []
    for x, y in islice(Batches(images, order.numpy(), data.batch_size), config.optimizer.n_steps):
        records.append(learn(torch.from_numpy(x).double(), torch.from_numpy(y).double()))
        optimizer.step()
    return records


def _learner(config: EquilibriumTraining, net: MLP, weights: Weights) -> tuple[Weights, Learn]:
    """Buffers for the gradient, and what fills them."""
    if net.activation.linear:
        learner = ExactLearner(net, weights)
        return learner.gradient, lambda x, y: _learn_exactly(learner, x, y)
    gradient = weights.map(torch.zeros_like)
    options = NewtonOptions(config.inference.tolerance, config.inference.max_products)
    return gradient, lambda x, y: _learn_numerically(net, weights, gradient, options, x, y)


def _learn_exactly(learner: ExactLearner, x: Tensor, y: Tensor) -> Record:
    learned = learner.learn(x[None], y[None])
    return learned.loss.item(), learned.energy.item(), 0.0, 0.0


def _learn_numerically(
    net: MLP, weights: Weights, gradient: Weights, options: NewtonOptions, x: Tensor, y: Tensor
) -> Record:
    found = find_equilibrium(net, weights, x, y, options)
    for buffer, g in zip(gradient, weight_gradient(net, weights, found.z[None], x, y), strict=True):
        buffer.copy_(g)
    loss = backprop.loss(predict(net, weights, x), y).item()
    return loss, found.energy, float(found.products), found.gradient_norm
