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
from typing import NamedTuple

import torch
from torch import Tensor

from deepcredit.nets.activations import activate, pull_back_
from deepcredit.nets.mlp import MLP, Weights, per_member
from deepcredit.rules.graph import Graph
from deepcredit.rules.products import SMALL_PRODUCTS
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
    return Inferred(engine.z.transpose(0, 1), engine.prediction, steps)


class Engine:
    """Inference and weight gradient of E networks of one shape, computed together, batch after batch.

    All buffers are allocated once. The engine reads `weights` anew for every batch and never writes them, so an
    optimiser may update them in place. Needs at least one hidden layer.

    On a CUDA device the work on one batch is captured once as a graph and replayed; `graph=False` switches that off,
    and a tolerance, whose check must look at the numbers, does so too.
    """

    def __init__(
        self, net: MLP, weights: Weights, batch_size: int, options: Inference, *, graph: bool | None = None
    ) -> None:
        if net.n_hidden < 1:
            raise ValueError("a network without hidden layers has no activities to infer")
        self.net, self.weights, self.options = net, weights, options
        self.n_members, self.batch_size = weights.n_members, batch_size
        new = weights.w_out.new_empty
        state = (net.n_hidden, self.n_members, batch_size, net.width)
        self.x, self.y = new(state[1], batch_size, net.input_size), new(state[1], batch_size, net.output_size)
        self.prediction, self.output_error = torch.empty_like(self.y), torch.empty_like(self.y)
        self.z, self.error, self.descent = new(state), new(state), new(state)
        self.phi = self.z if net.act_fn is ActFn.linear else new(state)
        self.first = new(state[1:])
        self.moments = [new(state), new(state)] if options.algorithm is Algorithm.adam else []
        self.gradient = weights.map(torch.zeros_like)
        self.steps_taken = 0
        self._rate = _against_states(options.learning_rate, self.z)
        self._decay = _against_states(options.activity_decay, self.z)
        self._decays = not isinstance(self._decay, float) or self._decay != 0
        # members computed together need layers first in memory; one member's layers are that already
        self._copies = self.n_members > 1
        self._w_hid = new(weights.w_hid.transpose(0, 1).shape) if self._copies else weights.w_hid.transpose(0, 1)
        self._g_hid = torch.zeros_like(self._w_hid) if self._copies else self.gradient.w_hid.transpose(0, 1)
        self._reaches: dict[int, Reach] = {}
        capable = self.z.is_cuda and options.tolerance is None
        self._graph = Graph(self._learn) if capable and graph is not False else None

    def infer(self, x: Tensor, y: Tensor) -> None:
        """Infer for `x` [E, B, D] and `y` [E, B, K]; leaves `z` [H, E, B, N], `prediction` and `steps_taken`."""
        self._load(x, y)
        self._infer()

    def learn(self, x: Tensor, y: Tensor) -> Weights:
        """Infer, and return ∂F/∂W at the activities where inference ended, in a buffer of the engine's."""
        self._load(x, y)
        if self._graph is None:
            self._learn()
        else:
            self._graph.run()
        return self.gradient

    def _load(self, x: Tensor, y: Tensor) -> None:
        self.x.copy_(x)
        self.y.copy_(y)

    def _learn(self) -> None:
        self._infer()
        self._weight_gradient()

    def _infer(self) -> None:
        if self._copies:
            self._w_hid.copy_(self.weights.w_hid.transpose(0, 1))
        self._feedforward()
        for moment in self.moments:
            moment.zero_()
        self.steps_taken = 0
        for t in range(self.options.steps):
            if not self._step(t):
                break
            self.steps_taken += 1

    def _weight_gradient(self) -> None:
        """∂F/∂W; layers that the error never reached have none."""
        net, reach = self.net, self._reach(self.steps_taken)
        self._activate(reach)
        self._errors(reach)
        if reach.lowest == 0:
            _outer(self.error[0], self.x, net.a_in / self.batch_size, out=self.gradient.w_in)
        if reach.predicted is not None:
            errors, phi, _ = reach.predicted
            _outer(errors, phi, net.a_hid / self.batch_size, out=_stack(self._g_hid[max(reach.lowest, 1) - 1 :]))
        _outer(self.output_error, self.phi[-1], net.a_out / self.batch_size, out=self.gradient.w_out)
        if self._copies:
            self.gradient.w_hid.copy_(self._g_hid.transpose(0, 1))

    def _feedforward(self) -> None:
        net, weights = self.net, self.weights
        torch.baddbmm(self.first, self.x, weights.w_in.mT, beta=0, alpha=net.a_in, out=self.first)
        self.z[0].copy_(self.first)
        for layer in range(1, net.n_hidden):
            phi, w = self._activated(layer - 1), self._w_hid[layer - 1].mT
            torch.baddbmm(self.z[layer - 1], phi, w, beta=float(net.skips), alpha=net.a_hid, out=self.z[layer])
        phi = self._activated(-1)
        torch.baddbmm(self.prediction, phi, weights.w_out.mT, beta=0, alpha=net.a_out, out=self.prediction)

    def _activated(self, layer: int) -> Tensor:
        return self.z[layer] if self.phi is self.z else activate(self.net.act_fn, self.z[layer], out=self.phi[layer])

    def _reach(self, t: int) -> "Reach":
        """Views for the layers whose error may differ from zero after t steps."""
        climbs = self.options.front and not self._decays
        lowest = max(0, self.net.n_hidden - t) if climbs else 0
        if lowest not in self._reaches:
            self._reaches[lowest] = Reach.of(self, lowest)
        return self._reaches[lowest]

    def _step(self, t: int) -> bool:
        """One step of all layers that the error reaches; False where the tolerance is met instead."""
        reach = self._reach(t)
        if t > 0:
            self._activate(reach)
        self._errors(reach)
        self._descend(reach)
        if self.options.tolerance is not None and self._gradient_norm(reach) <= self.options.tolerance:
            return False
        if self.moments:
            self._move_by_adam(reach, t)
        else:
            _add_scaled_(reach.z, reach.descent, self._rate / self.batch_size)
        return True

    def _activate(self, reach: "Reach") -> None:
        """φ(z) of the layers that moved last, or more. A linear network shares one buffer for both."""
        if self.phi is not self.z:
            activate(self.net.act_fn, reach.z, out=reach.phi)

    def _errors(self, reach: "Reach") -> None:
        """Errors of the output and of the hidden layers that are not zero."""
        net = self.net
        with SMALL_PRODUCTS:
            torch.baddbmm(self.y, self.phi[-1], reach.w_out_t, alpha=-net.a_out, out=self.output_error)
        if reach.lowest == 0:
            torch.sub(reach.z[0], self.first, out=reach.error[0])
        if reach.predicted is not None:
            error, phi, w = reach.predicted
            torch.baddbmm(error, phi, w, beta=0, alpha=net.a_hid, out=error)
            torch.sub(reach.above, error, out=error)
            if net.skips:
                error.sub_(reach.below)

    def _descend(self, reach: "Reach") -> None:
        """−B ∂F/∂z of the layers that move."""
        net = self.net
        with SMALL_PRODUCTS:
            torch.baddbmm(reach.top, self.output_error, self.weights.w_out, beta=0, alpha=net.a_out, out=reach.top)
        if reach.sent is not None:
            sent, error, w = reach.sent
            torch.baddbmm(sent, error, w, beta=0, alpha=net.a_hid, out=sent)
        pull_back_(net.act_fn, reach.phi, reach.descent)
        if net.skips and reach.sent is not None:
            sent.add_(error)
        reach.opposed.sub_(reach.error)
        if self._decays:
            reach.descent.sub_(reach.z * self._decay)

    def _gradient_norm(self, reach: "Reach") -> float:
        """‖∂F/∂z‖; the layers below have none."""
        return reach.descent.norm().item() / self.batch_size

    def _move_by_adam(self, reach: "Reach", t: int) -> None:
        """Algorithm 1 of Kingma & Ba (2015); the first step is t = 0."""
        descent, (first, second) = reach.descent, reach.moments
        descent.mul_(1 / self.batch_size)
        first.lerp_(descent, 1 - BETA_1)
        second.mul_(BETA_2).addcmul_(descent, descent, value=1 - BETA_2)
        scale = torch.sqrt(second, out=descent).mul_((1 - BETA_2 ** (t + 1)) ** -0.5).add_(EPSILON)
        direction = torch.div(first, scale, out=descent)
        _add_scaled_(reach.z, direction, self._rate / (1 - BETA_1 ** (t + 1)))


class Product(NamedTuple):
    """Three batches of matrices [k E, ·, ·] of k neighbouring layers: the result's, and the two factors."""

    result: Tensor
    left: Tensor
    right: Tensor


@dataclass(frozen=True)
class Reach:
    """Views of an engine's buffers for the steps in which hidden layers from `lowest` (from 0; H: none) have errors.

    The layers from the one below `lowest` up have a gradient and move.
    """

    lowest: int
    z: Tensor  #: of the layers that move
    phi: Tensor
    descent: Tensor
    moments: list[Tensor]
    error: Tensor  #: of the layers that have one
    opposed: Tensor  #: the part of `descent` that those errors oppose
    top: Tensor  #: `descent` of the highest layer
    w_out_t: Tensor
    above: Tensor  #: z of the layers with an error that are predicted from a hidden layer, and of those below them
    below: Tensor
    predicted: Product | None  #: errors of these layers, φ below, transposed weights
    sent: Product | None  #: `descent` of the layers that move but the highest, errors above, weights

    @classmethod
    def of(cls, engine: Engine, lowest: int) -> "Reach":
        """The views of `engine`'s buffers; they last as long as the buffers."""
        highest, moving, predicted = engine.net.n_hidden - 1, max(0, lowest - 1), max(1, lowest)
        z, phi, error, descent, w = engine.z, engine.phi, engine.error, engine.descent, engine._w_hid
        products: list[Product | None] = [
            Product(_stack(error[predicted:]), _stack(phi[predicted - 1 : -1]), _stack(w[predicted - 1 :]).mT)
            if predicted <= highest
            else None,
            Product(_stack(descent[moving:-1]), _stack(error[moving + 1 :]), _stack(w[moving:]))
            if moving < highest
            else None,
        ]
        return cls(
            lowest,
            z[moving:],
            phi[moving:],
            descent[moving:],
            [moment[moving:] for moment in engine.moments],
            error[lowest:],
            descent[lowest:],
            descent[-1],
            engine.weights.w_out.mT,
            _stack(z[predicted:]),
            _stack(z[predicted - 1 : -1]),
            *products,
        )


def _against_states(value: float | tuple[float, ...], like: Tensor) -> float | Tensor:
    """A number if members share it, else a tensor that broadcasts against [H, E, B, N]."""
    if not isinstance(value, tuple):
        return float(value)
    if len(set(value)) == 1:
        return float(value[0])
    return torch.tensor(value, dtype=like.dtype, device=like.device).reshape(-1, 1, 1)


def _add_scaled_(z: Tensor, direction: Tensor, rate: float | Tensor) -> None:
    """z ← z + rate · direction; one pass where members share the rate. Overwrites `direction` otherwise."""
    if isinstance(rate, float):
        z.add_(direction, alpha=rate)
    else:
        z.add_(direction.mul_(rate))


def _stack(tensor: Tensor) -> Tensor:
    """Layers and members [k, E, ·, ·] as one batch of matrices; always a view."""
    return tensor.view(-1, *tensor.shape[2:])


def _outer(error: Tensor, below: Tensor, factor: float, out: Tensor) -> None:
    """out ← −factor · Σ_batch error belowᵀ of a batch of matrices."""
    torch.baddbmm(out, error.mT, below, beta=0, alpha=-factor, out=out)
