r"""Inference of predictive coding: descend the energy in the activities of all hidden layers at once.

Shapes: E members, H hidden layers, B batch, D input, N width, K output. Inside, layers come first, [H, E, B, N], so
that any run of neighbouring layers of all members is one batched matrix product.

**The climbing front.** Inference starts at the feed-forward values, where every error but the output's is zero, and the
error climbs one layer a step: step t (from 0) moves the top t + 1 hidden layers only, and needs the errors of the top t
only. Leaving the layers below alone is exact, for gradient descent and for Adam (whose moments are zero there), and
halves the work when T = H. With activity decay every layer moves from the first step on, and all of them are computed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from deepcredit.nets.activations import activate, pull_back_
from deepcredit.nets.mlp import MLP, Weights, per_member
from deepcredit.schema.common import ActFn
from deepcredit.schema.networks import Algorithm

#: Adam of Kingma & Ba (2015), algorithm 1
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Inference:
    r"""How to infer. Rates and decays are one number, or one for every member.

    `algorithm`: `gd` is $z \leftarrow z - \eta\,\partial F/\partial z$ (the gradient carries the 1/B); `adam` starts
    from zero moments in every call.
    `steps`: T. With a `tolerance`, a member stops before that once the Euclidean norm of its $\partial F/\partial z$
    is no larger.
    `front`: leave the layers alone that the error has not reached; switched off only to test that it changes nothing.
    """

    steps: int
    learning_rate: float | tuple[float, ...]
    algorithm: Algorithm = Algorithm.gd
    activity_decay: float | tuple[float, ...] = 0.0
    tolerance: float | None = None
    front: bool = True

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"inference takes no {self.steps} steps")

    def of_members(self, members: Iterable[int]) -> "Inference":
        """The same for some members of the stack."""
        members = list(members)

        def some(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
            return tuple(value[m] for m in members) if isinstance(value, tuple) else value

        return replace(self, learning_rate=some(self.learning_rate), activity_decay=some(self.activity_decay))


class Inferred(NamedTuple):
    """Where inference ended."""

    z: Tensor  #: activities, [E, H, B, N]
    prediction: Tensor  #: feed-forward output before inference, [E, B, K]
    steps: Tensor  #: updates taken, [E]


def infer(net: MLP, weights: Weights, x: Tensor, y: Tensor, options: Inference) -> Inferred:
    """Infer the activities for `x` [B, D] or [E, B, D] and `y` [B, K] or [E, B, K].

    On the CPU, and with a tolerance, members are computed one after the other.
    """
    n_members = weights.n_members
    x, y = per_member(x, n_members), per_member(y, n_members)
    if net.n_hidden == 0:
        return Inferred(x.new_empty(n_members, 0, x.shape[1], net.width), net.a_out * (x @ weights.w_out.mT), _none(x))
    if n_members > 1 and (x.device.type == "cpu" or options.tolerance is not None):
        alone = [_infer_members(net, weights, x, y, options, [m]) for m in range(n_members)]
        return Inferred(*(torch.cat(parts) for parts in zip(*alone, strict=True)))
    return _infer_members(net, weights, x, y, options, range(n_members))


def _none(x: Tensor) -> Tensor:
    return torch.zeros(len(x), dtype=torch.long, device=x.device)


def _infer_members(
    net: MLP, weights: Weights, x: Tensor, y: Tensor, options: Inference, members: Iterable[int]
) -> Inferred:
    index = list(members)
    engine = Engine(net, len(index), x.shape[1], options.of_members(index), x.dtype, x.device)
    engine.load(weights.members(index), x[index], y[index])
    engine.infer()
    steps = torch.full((len(index),), engine.steps_taken, device=x.device)
    return Inferred(engine.z.transpose(0, 1), engine.prediction, steps)


class Engine:
    """Buffers and steps of inference for E members of one shape that are computed together.

    Built once and used for every batch: `load`, then `infer`, then `weight_gradient`. All work is in place.
    """

    def __init__(
        self,
        net: MLP,
        n_members: int,
        batch_size: int,
        options: Inference,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.net, self.options = net, options
        self._place: dict[str, Any] = {"dtype": dtype, "device": device}
        state = (net.n_hidden, n_members, batch_size, net.width)
        self.z = torch.empty(state, **self._place)
        self.phi = self.z if net.act_fn is ActFn.linear else torch.empty(state, **self._place)
        self.error = torch.empty(state, **self._place)
        self.descent = torch.empty(state, **self._place)
        self.first = torch.empty(state[1:], **self._place)
        self.prediction = torch.empty(n_members, batch_size, net.output_size, **self._place)
        self.output_error = torch.empty_like(self.prediction)
        self.moments = [torch.empty(state, **self._place) for _ in range(2 if self._adam else 0)]
        self.steps_taken = 0
        self._rate = _against_states(options.learning_rate, self._place)
        self._decay = _against_states(options.activity_decay, self._place)

    @property
    def _adam(self) -> bool:
        return self.options.algorithm is Algorithm.adam

    @property
    def _decays(self) -> bool:
        decay = self.options.activity_decay
        return any(decay) if isinstance(decay, tuple) else decay != 0

    def load(self, weights: Weights, x: Tensor, y: Tensor) -> None:
        """Take the weights and a batch, [E, B, D] and [E, B, K]; nothing is computed, nothing copied but layouts."""
        self.w_in, self.w_out = weights.w_in, weights.w_out
        self.w_hid = weights.w_hid.transpose(0, 1).contiguous()
        self.x, self.y = x, y

    def infer(self) -> None:
        """Feed-forward pass, then T steps."""
        self._feedforward()
        for moment in self.moments:
            moment.zero_()
        self.steps_taken = 0
        for t in range(self.options.steps):
            if not self._step(t):
                break
            self.steps_taken += 1

    def weight_gradient(self) -> Weights:
        """∂F/∂W at the activities where inference ended; layers that the error never reached have none."""
        net, batch = self.net, self.x.shape[1]
        lowest = self._lowest_error(self.steps_taken)
        self._activate(max(lowest - 1, 0))
        self._errors(lowest)
        w_hid = torch.zeros_like(self.w_hid)
        above = max(lowest, 1)
        if above < net.n_hidden:
            _matmul(self.error[above:].mT, self.phi[above - 1 : -1], out=w_hid[above - 1 :])
        w_hid.mul_(-net.a_hid / batch)
        w_in = torch.zeros_like(self.w_in)
        if lowest == 0:
            torch.baddbmm(w_in, self.error[0].mT, self.x, beta=0, alpha=-net.a_in / batch, out=w_in)
        w_out = torch.empty_like(self.w_out)
        torch.baddbmm(w_out, self.output_error.mT, self.phi[-1], beta=0, alpha=-net.a_out / batch, out=w_out)
        return Weights(w_in, w_hid.transpose(0, 1), w_out)

    def _feedforward(self) -> None:
        net = self.net
        torch.baddbmm(self.first, self.x, self.w_in.mT, beta=0, alpha=net.a_in, out=self.first)
        self.z[0].copy_(self.first)
        for layer in range(1, net.n_hidden):
            below = self.z[layer - 1]
            phi = self._activated(layer - 1)
            skip = {"beta": 1 if net.skips else 0, "alpha": net.a_hid}
            torch.baddbmm(below, phi, self.w_hid[layer - 1].mT, out=self.z[layer], **skip)
        torch.baddbmm(self.prediction, self._activated(-1), self.w_out.mT, beta=0, alpha=net.a_out, out=self.prediction)

    def _lowest_error(self, t: int) -> int:
        """The lowest hidden layer whose error may differ from zero after t steps."""
        climbs = self.options.front and not self._decays
        return max(0, self.net.n_hidden - t) if climbs else 0

    def _step(self, t: int) -> bool:
        """One step of all layers that the error has reached; False where the tolerance is met instead."""
        lowest = self._lowest_error(t)
        moved = max(0, lowest - 1)
        if t > 0:
            self._activate(moved)
        self._errors(lowest)
        self._descent(lowest, moved)
        if self._converged(moved):
            return False
        self._move(moved, t)
        return True

    def _activate(self, lowest: int) -> None:
        """φ(z) of the layers from `lowest` up. A linear network shares one buffer for both."""
        if self.phi is not self.z:
            activate(self.net.act_fn, self.z[lowest:], out=self.phi[lowest:])

    def _activated(self, layer: int) -> Tensor:
        return self.z[layer] if self.phi is self.z else activate(self.net.act_fn, self.z[layer], out=self.phi[layer])

    def _errors(self, lowest: int) -> None:
        """Errors of the output and of the hidden layers from `lowest` up."""
        net = self.net
        torch.baddbmm(self.y, self.phi[-1], self.w_out.mT, alpha=-net.a_out, out=self.output_error)
        if lowest == 0:
            torch.sub(self.z[0], self.first, out=self.error[0])
        lowest = max(lowest, 1)
        if lowest < net.n_hidden:
            error, below = self.error[lowest:], slice(lowest - 1, -1)
            if net.skips:
                torch.sub(self.z[lowest:], self.z[below], out=error)
            else:
                error.copy_(self.z[lowest:])
            _subtract_matmul_(error, self.phi[below], self.w_hid[lowest - 1 :].mT, net.a_hid)

    def _descent(self, lowest: int, moved: int) -> None:
        """−B ∂F/∂z of the layers from `moved` up, where errors are not zero from `lowest` up."""
        net = self.net
        if moved < net.n_hidden - 1:
            _matmul(self.error[moved + 1 :], self.w_hid[moved:], out=self.descent[moved:-1])
        self.descent[moved:-1].mul_(net.a_hid)
        torch.baddbmm(self.descent[-1], self.output_error, self.w_out, beta=0, alpha=net.a_out, out=self.descent[-1])
        pull_back_(net.act_fn, self.phi[moved:], self.descent[moved:])
        if net.skips:
            self.descent[moved:-1].add_(self.error[moved + 1 :])
        self.descent[lowest:].sub_(self.error[lowest:])
        if self._decays:
            self.descent.addcmul_(self.z, self._decay, value=-1)

    def _converged(self, moved: int) -> bool:
        if self.options.tolerance is None:
            return False
        norm = self.descent[moved:].double().norm() / self.x.shape[1]
        return bool(norm <= self.options.tolerance)

    def _move(self, moved: int, t: int) -> None:
        z, descent, batch = self.z[moved:], self.descent[moved:], self.x.shape[1]
        if not self._adam:
            z.addcmul_(descent, self._rate, value=1 / batch)
            return
        first, second = (m[moved:] for m in self.moments)
        descent.mul_(1 / batch)
        first.lerp_(descent, 1 - BETA_1)
        second.mul_(BETA_2).addcmul_(descent, descent, value=1 - BETA_2)
        scale = torch.sqrt(second, out=descent).mul_((1 - BETA_2 ** (t + 1)) ** -0.5).add_(EPSILON).div_(self._rate)
        z.addcdiv_(first, scale, value=1 / (1 - BETA_1 ** (t + 1)))


def _against_states(value: float | tuple[float, ...], place: dict[str, Any]) -> Tensor:
    """A member's number as a tensor that broadcasts against [H, E, B, N]."""
    return torch.tensor(value, **place).reshape(-1, 1, 1)


def _stack(tensor: Tensor) -> Tensor:
    """Layers and members [k, E, ·, ·] as one batch of matrices; a view, also of transposed matrices."""
    return tensor.flatten(0, 1)


def _matmul(a: Tensor, b: Tensor, out: Tensor) -> None:
    """a b of all layers and members, written into `out`."""
    torch.bmm(_stack(a), _stack(b), out=_stack(out))


def _subtract_matmul_(total: Tensor, a: Tensor, b: Tensor, factor: float) -> None:
    """total ← total − factor · a b of all layers and members."""
    _stack(total).baddbmm_(_stack(a), _stack(b), alpha=-factor)
