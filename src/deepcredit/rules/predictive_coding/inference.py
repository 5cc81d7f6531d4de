"""Inference of predictive coding: descend the energy in the activities of all hidden layers at once."""

from typing import NamedTuple

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, per_member
from deepcredit.rules.predictive_coding.engine import Engine
from deepcredit.rules.predictive_coding.options import Inference


class Inferred(NamedTuple):
    """Where inference ended; E members, H hidden layers, B batch, N width, K output."""

    z: Tensor  #: activities, [E, H, B, N]
    prediction: Tensor  #: feed-forward output before inference, [E, B, K]
    steps: Tensor  #: updates taken, [E]


def infer(net: MLP, weights: Weights, x: Tensor, y: Tensor, options: Inference) -> Inferred:
    """Infer the activities for `x` [B, D] or [E, B, D] and `y` [B, K] or [E, B, K].

    On the CPU, and with a tolerance, members are computed one after the other. To infer for many batches with the
    same weights or with weights updated in place, build an `Engine`.
    """
    n_members = weights.n_members
    x, y = per_member(x, n_members), per_member(y, n_members)
    if net.n_hidden == 0:
        prediction = net.a_out * (x @ weights.w_out.mT)
        nothing = x.new_empty(n_members, 0, x.shape[1], net.width)
        return Inferred(nothing, prediction, torch.zeros(n_members, dtype=torch.long, device=x.device))
    together = n_members if x.is_cuda and options.tolerance is None else 1
    parts = [
        _infer_members(net, weights, x, y, options, slice(first, first + together))
        for first in range(0, n_members, together)
    ]
    return Inferred(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _infer_members(net: MLP, weights: Weights, x: Tensor, y: Tensor, options: Inference, members: slice) -> Inferred:
    own = options.of_members(range(weights.n_members)[members])
    engine = Engine(net, weights.members(members), x.shape[1], own)
    engine.infer(x[members], y[members])
    steps = torch.full((engine.n_members,), engine.steps_taken, device=x.device)
    return Inferred(engine.activities, engine.prediction, steps)
