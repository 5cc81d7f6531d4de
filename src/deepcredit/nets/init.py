"""How weights are drawn: each member from generators of its own seed, so that no member knows of another.

| init             | a weight matrix [out, in]                                  |
|------------------|------------------------------------------------------------|
| `standard`       | uniform on ±1/√in                                          |
| `standard_gauss` | N(0, 1)                                                    |
| `one_over_N`     | N(0, 1/in)                                                 |
| `orthogonal`     | Haar-distributed (semi-)orthogonal                         |
| `xavier_uniform` | uniform on ±√(6/(in + out))                                |

All are multiplied by a gain, 1 unless said otherwise.
"""

from collections.abc import Callable, Sequence
from enum import Enum

import numpy as np
import torch
from torch import Generator, Tensor

from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.mlp import MLP, Weights
from deepcredit.nets.names import Init


class Stream(Enum):
    """What a member draws random numbers for: one independent stream of its seed each."""

    weights = 0
    data_order = 1
    data = 2


def generator(seed: int, stream: Stream, device: torch.device | str = "cpu") -> Generator:
    """Generator of one stream of a member's seed; streams of one seed and equal streams of two seeds are unrelated."""
    state = np.random.SeedSequence([seed, stream.value]).generate_state(1, np.uint64)[0]
    return Generator(device).manual_seed(int(state >> 1))


def _standard(w: Tensor, rng: Generator) -> Tensor:
    bound = w.shape[1] ** -0.5
    return w.uniform_(-bound, bound, generator=rng)


def _standard_gauss(w: Tensor, rng: Generator) -> Tensor:
    return w.normal_(generator=rng)


def _one_over_n(w: Tensor, rng: Generator) -> Tensor:
    return w.normal_(std=w.shape[1] ** -0.5, generator=rng)


def _orthogonal(w: Tensor, rng: Generator) -> Tensor:
    return torch.nn.init.orthogonal_(w, generator=rng)


def _xavier_uniform(w: Tensor, rng: Generator) -> Tensor:
    return torch.nn.init.xavier_uniform_(w, generator=rng)


_DRAW: dict[Init, Callable[[Tensor, Generator], Tensor]] = {
    Init.standard: _standard,
    Init.standard_gauss: _standard_gauss,
    Init.one_over_N: _one_over_n,
    Init.orthogonal: _orthogonal,
    Init.xavier_uniform: _xavier_uniform,
}


def training_gain(act_fn: str, init: Init) -> float:
    """Gain of the weights in training and forward passes: that of φ for orthogonal weights, else 1."""
    return ACTIVATIONS[act_fn].orthogonal_gain if init is Init.orthogonal else 1.0


def draw_weights(
    net: MLP,
    init: Init,
    seeds: Sequence[int],
    *,
    gain: float = 1.0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Weights:
    """Weights of one network per seed, layers drawn in order from the input up.

    They are drawn on the CPU, once for every seed, and a layer at a time goes where it belongs on `device`.
    """
    weights = net.empty_weights(len(seeds), dtype=dtype, device=device)
    for seed in dict.fromkeys(seeds):
        rng = generator(seed, Stream.weights)
        for shape, layer in zip(net.layer_shapes, weights.layers(), strict=True):
            drawn = _DRAW[init](torch.empty(shape, dtype=dtype), rng).mul_(gain).to(device)
            for member, other in enumerate(seeds):
                if other == seed:
                    layer[member].copy_(drawn)
    return weights
