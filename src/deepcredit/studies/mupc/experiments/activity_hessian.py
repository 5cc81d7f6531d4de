"""The activity Hessian of one sample at the feed-forward values of freshly drawn networks.

The `numerical` Hessian is read off products that differentiate the energy's gradient; linear networks also have the
closed form `theory` with its block-diagonal part `D` and its off-diagonal part `O`. Extreme eigenvalues are found
without a dense matrix; whole spectra are computed on the two slices that are shown.
"""

from collections.abc import Iterator

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from deepcredit.nets.init import Stream, draw_weights, generator
from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.studies.mupc.schemas.activity_hessian import MATRICES, ActivityHessian, HessianData
from deepcredit.theory.hessian import Blocks, extreme_eigenvalues, linear_hessian, numerical_hessian, spectrum

#: relative to each eigenvalue
TOLERANCE = 1e-6


def run(config: ActivityHessian) -> xr.Dataset:
    """Extreme eigenvalues of every network of the grid, and the spectra on the two slices."""
    arrays = _empty(config)
    for n_hidden in config.model.n_hidden:
        for width in config.model.width:
            for seed in config.seed:
                _fill(arrays, config, n_hidden, width, seed)
    return arrays


def _empty(config: ActivityHessian) -> xr.Dataset:
    model = config.model
    coords: dict[str, list | np.ndarray] = {
        "matrix": list(MATRICES),
        "act_fn": model.act_fn,
        "n_hidden": model.n_hidden,
        "width": model.width,
        "seed": config.seed,
        "eigenvalue": np.arange(config.longest_spectrum),
    }
    arrays = {
        name: (variable.dims, np.full([len(coords[dim]) for dim in variable.dims], np.nan))
        for name, variable in config.variables.items()
    }
    return xr.Dataset(arrays, coords)


def _fill(arrays: xr.Dataset, config: ActivityHessian, n_hidden: int, width: int, seed: int) -> None:
    """Enter all that is kept of the networks of one shape and seed; they share weights and sample."""
    for act_fn in config.model.act_fn:
        for matrix, blocks in _matrices(config, act_fn, n_hidden, width, seed):
            at = {"matrix": matrix, "act_fn": act_fn, "n_hidden": n_hidden, "width": width, "seed": seed}
            arrays.lambda_min.loc[at], arrays.lambda_max.loc[at] = extreme_eigenvalues(blocks, TOLERANCE)
            on_depth, on_width = width == config.data.slice_width, n_hidden == config.data.slice_n_hidden
            if on_depth or on_width:
                values = spectrum(blocks).numpy()
                for name, wanted in {"spectrum_over_depth": on_depth, "spectrum_over_width": on_width}.items():
                    if wanted:
                        own = {dim: value for dim, value in at.items() if dim in arrays[name].dims}
                        arrays[name].loc[own | {"eigenvalue": slice(0, len(values) - 1)}] = values


def _matrices(
    config: ActivityHessian, act_fn: str, n_hidden: int, width: int, seed: int
) -> Iterator[tuple[str, Blocks]]:
    """Name and blocks of every matrix there is of one network."""
    model, decay = config.model, config.data.activity_decay
    net = MLP(width, width, n_hidden, width, act_fn, model.parameterisation, model.skips)
    weights = draw_weights(net, model.init, [seed], dtype=torch.float64)
    x = sample(config.data, width, seed)
    yield "numerical", at_feedforward(net, weights, x, decay)
    if net.activation.linear:
        theory = linear_hessian(net, weights, decay)
        yield from zip(MATRICES[1:], (theory, theory.block_diagonal(), theory.off_diagonal()), strict=True)


def sample(data: HessianData, width: int, seed: int) -> Tensor:
    """The seed's input, and its target: [N], float64."""
    noise = torch.randn(width, dtype=torch.float64, generator=generator(seed, Stream.data))
    return data.mean + data.std * noise


def at_feedforward(net: MLP, weights: Weights, x: Tensor, activity_decay: float) -> Blocks:
    """Numerical Hessian at the feed-forward values of `x` [N], with target `x`."""
    z, _ = feedforward(net, weights, x[None])
    return numerical_hessian(net, weights, z, x[None], x[None], activity_decay)
