"""Norms of activities and weights before each of the first steps of backpropagation.

Shapes: L weight layers, B batch, D input, N width, K output; one network at a time. Networks are float32; norms
accumulate in float64. State l is the pre-activation of layer l, state L the output.
"""

from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from deepcredit.data import samples
from deepcredit.nets.init import draw_weights, training_gain
from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.nets.names import Algorithm
from deepcredit.rules import backprop
from deepcredit.studies.mupc.schemas.forward_pass import FRACTIONS, ForwardPass
from deepcredit.training.order import one_epoch

#: batches [B, D] and [B, K] of one seed
Data = list[tuple[Tensor, Tensor]]


def run(config: ForwardPass) -> xr.Dataset:
    """All norms of all members."""
    images = samples.load(config.data.chosen)
    first = config.data.batch_size, config.optimizer.n_steps
    data = {seed: list(one_epoch(images, seed, *first)) for seed in config.seed}
    norms = [
        [norms_of_one_draw(config, depth, seed, data[seed]) for seed in config.seed]
        for depth in config.model.num_layers
    ]
    coords = {
        "act_fn": config.model.act_fn,
        "optimizer": [name.value for name in config.optimizer.name],
        "num_layers": config.model.num_layers,
        "seed": config.seed,
        "layer": list(FRACTIONS),
        "step": list(range(config.optimizer.n_steps)),
    }
    by_name = np.einsum("ls...vrt->v...lsrt", np.array(norms))
    arrays = {name: (v.dims, values) for (name, v), values in zip(config.variables.items(), by_name, strict=True)}
    return xr.Dataset(arrays, coords)


def norms_of_one_draw(config: ForwardPass, depth: int, seed: int, data: Data) -> np.ndarray:
    """Norms for every activation function and optimiser, which begin at the same weights: [φ, optimisers, 4, 5, T]."""
    model = config.model
    (n_inputs, n_classes) = (part.shape[1] for part in data[0])
    net = MLP(n_inputs, model.width, depth - 1, n_classes, parameterisation=model.parameterisation, skips=model.skips)
    drawn = draw_weights(net, model.init, [seed])
    norms = []
    for act_fn in model.act_fn:
        gain = training_gain(act_fn, model.init)
        own = replace(net, act_fn=act_fn)
        norms.append([train(config, own, _scaled(drawn, gain), name, data) for name in config.optimizer.name])
    return np.array(norms)


def _scaled(weights: Weights, gain: float) -> Weights:
    return weights.map(lambda w: gain * w)


def train(config: ForwardPass, net: MLP, weights: Weights, algorithm: Algorithm, data: Data) -> np.ndarray:
    """The norms of one network before each of its steps, [4 norms, 5 layers, T]; the last step is not taken."""
    kind = {Algorithm.gd: torch.optim.SGD, Algorithm.adam: torch.optim.Adam}[algorithm]
    optimizer = kind(list(weights), lr=config.optimizer.lr, fused=True)
    norms = []
    for step, (x, y) in enumerate(data, start=1):
        z, prediction = feedforward(net, weights, x)
        norms.append(norms_at(net, weights, z, prediction))
        if step < len(data):
            of_loss = backprop.gradient_at(net, weights, z, prediction, x, y)
            for weight, gradient in zip(weights, of_loss, strict=True):
                weight.grad = gradient.mul_(2 / net.output_size)
            optimizer.step()
    return np.stack(norms, -1)


def norms_at(net: MLP, weights: Weights, z: Tensor, prediction: Tensor) -> np.ndarray:
    """Mean modulus and root mean square of the recorded states, Frobenius and spectral norm of their layers: [4, 5]."""
    states, layers = [*z[0].unbind(), prediction[0]], weights.layers()
    recorded = [max(1, round(fraction * net.n_layers)) for fraction in FRACTIONS.values()]
    return np.array([[*sizes(states[i - 1]), *weight_norms(layers[i - 1][0])] for i in recorded]).T


def sizes(state: Tensor) -> tuple[float, float]:
    """Mean modulus and root mean square of all entries."""
    state = state.double()
    return state.abs().mean().item(), state.square().mean().sqrt().item()


def weight_norms(w: Tensor) -> tuple[float, float]:
    """Frobenius and spectral norm of a matrix; NaN for the latter where an entry is not finite."""
    w = w.double()
    gram = w @ w.mT if w.shape[0] < w.shape[1] else w.mT @ w
    largest = torch.linalg.eigvalsh(gram)[-1].sqrt().item() if bool(gram.isfinite().all()) else float("nan")
    return torch.linalg.matrix_norm(w).item(), largest
