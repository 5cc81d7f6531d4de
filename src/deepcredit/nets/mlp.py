r"""Stacks of bias-free multi-layer perceptrons whose hidden layers have one width.

Shapes: E members, H hidden layers, L = H + 1 weight layers, B batch, D input, N width, K output.

The state of a layer is its pre-activation $z_l$. With scalings $a$, weights $W$ and activation function $\varphi$

$$\hat z_1 = a_1 W_1 x,\qquad \hat z_l = a_l W_l \varphi(z_{l-1}) \;(+\, z_{l-1}\text{ with skips}),\quad 1 < l < L,
\qquad \hat y = a_L W_L \varphi(z_{L-1}).$$

The scalings are those of Innocenti, Achour & Buckley (2025), μPC, table 1. This is their one definition: predictive
coding, backpropagation and the theory read them from here. Without hidden layers the network is the one matrix
$\hat y = a_L W_L x$, and $a_L$ counts D in place of N.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from deepcredit.core.errors import check
from deepcredit.nets.activations import ACTIVATIONS, Activation
from deepcredit.nets.names import Parameterisation


class Weights(NamedTuple):
    """Unscaled weights of E networks of one shape; also anything shaped like them: gradients, optimiser moments.

    Without hidden layers `w_in` is [E, 0, D], `w_hid` [E, 0, 0, 0] and `w_out` [E, K, D].
    """

    w_in: Tensor  #: [E, N, D]
    w_hid: Tensor  #: [E, H-1, N, N], [.., l, :, :] maps hidden layer l+1 to l+2
    w_out: Tensor  #: [E, K, N]

    @classmethod
    def from_layers(cls, layers: list[Tensor]) -> "Weights":
        """Stack the weight matrices [E, out, in] of all layers, the input's first."""
        last = layers[-1]
        n_members = last.shape[0]
        if len(layers) == 1:
            return cls(last.new_empty(n_members, 0, last.shape[2]), last.new_empty(n_members, 0, 0, 0), last)
        width = last.shape[2]
        hidden = torch.stack(layers[1:-1], 1) if len(layers) > 2 else last.new_empty(n_members, 0, width, width)
        return cls(layers[0], hidden, last)

    def layers(self) -> list[Tensor]:
        """The weight matrices [E, out, in] of all layers, the input's first, as views."""
        first = [self.w_in] if self.w_in.shape[1] else []
        return [*first, *self.w_hid.unbind(1), self.w_out]

    @property
    def n_members(self) -> int:
        """E, the number of networks in the stack."""
        return self.w_out.shape[0]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Weights":
        """`function` of each of the three tensors."""
        return Weights(*(function(w) for w in self))

    def members(self, index: slice | Tensor | list[int]) -> "Weights":
        """The stack of the members that `index` selects along the first axis."""
        return self.map(lambda w: w[index])


@dataclass(frozen=True)
class MLP:
    """Shape and scalings of a network; holds no weights, which are passed along as `Weights`.

    Raises `UserError` where a size is below 1, `n_hidden` below 0, or there is no such activation function.
    """

    input_size: int
    width: int
    n_hidden: int
    output_size: int
    act_fn: str = "linear"
    parameterisation: Parameterisation = Parameterisation.sp
    skips: bool = False

    def __post_init__(self) -> None:
        for name in ("input_size", "width", "output_size"):
            check(getattr(self, name) >= 1, name, getattr(self, name), "a whole number of at least 1")
        check(self.n_hidden >= 0, "n_hidden", self.n_hidden, "a whole number of at least 0")
        assert self.activation

    @cached_property
    def activation(self) -> Activation:
        """φ between the layers."""
        return ACTIVATIONS[self.act_fn]

    @property
    def n_layers(self) -> int:
        """L, the number of weight matrices."""
        return self.n_hidden + 1

    @property
    def layer_shapes(self) -> list[tuple[int, int]]:
        """(out, in) of every weight matrix, the input's first."""
        sizes = [self.input_size] + [self.width] * self.n_hidden + [self.output_size]
        return [(n_out, n_in) for n_in, n_out in itertools.pairwise(sizes)]

    def empty_weights(
        self, n_members: int, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> Weights:
        """Memory for the weights of so many networks, not filled."""
        width = self.width if self.n_hidden else 0
        shapes = [(width, self.input_size), (max(self.n_hidden - 1, 0), width, width), self.layer_shapes[-1]]
        return Weights(*(torch.empty(n_members, *shape, dtype=dtype, device=device) for shape in shapes))

    @property
    def _unscaled(self) -> bool:
        return self.parameterisation in (Parameterisation.sp, Parameterisation.orthogonal)

    @property
    def a_in(self) -> float:
        """Scaling of the first layer."""
        return 1.0 if self._unscaled else self.input_size**-0.5

    @property
    def a_hid(self) -> float:
        """Scaling of the layers between hidden layers."""
        if self._unscaled:
            return 1.0
        return (self.width * (self.n_layers if self.skips else 1)) ** -0.5

    @property
    def a_out(self) -> float:
        """Scaling of the last layer."""
        fan_in = self.layer_shapes[-1][1]
        match self.parameterisation:
            case Parameterisation.sp | Parameterisation.orthogonal:
                return 1.0
            case Parameterisation.ntp:
                return fan_in**-0.5
            case Parameterisation.mupc | Parameterisation.depth_mup:
                return 1.0 / fan_in
        raise ValueError(f"no parameterisation {self.parameterisation!r}")

    @property
    def scalings(self) -> list[float]:
        """$a_1 … a_L$."""
        return ([self.a_in] if self.n_hidden else []) + [self.a_hid] * (self.n_hidden - 1) + [self.a_out]


def per_member(x: Tensor, n_members: int) -> Tensor:
    """`x` as [E, B, ·]: itself, or, if it is [B, ·], seen by every member."""
    return x if x.dim() == 3 else x.expand(n_members, *x.shape)


def feedforward(net: MLP, weights: Weights, x: Tensor) -> tuple[Tensor, Tensor]:
    """Pre-activations of the hidden layers, [E, H, B, N], and output, [E, B, K], for `x` of [B, D] or [E, B, D]."""
    x = per_member(x, weights.n_members)
    if net.n_hidden == 0:
        return x.new_empty(*x.shape[:1], 0, x.shape[1], net.width), net.a_out * (x @ weights.w_out.mT)
    states = [net.a_in * (x @ weights.w_in.mT)]
    for w in weights.w_hid.unbind(1):
        z = states[-1]
        forward = net.a_hid * (net.activation.value(z) @ w.mT)
        states.append(forward + z if net.skips else forward)
    return torch.stack(states, 1), readout(net, weights, states[-1])


def readout(net: MLP, weights: Weights, z_last: Tensor) -> Tensor:
    """Output [E, B, K] of the last hidden state [E, B, N]."""
    return net.a_out * (net.activation.value(z_last) @ weights.w_out.mT)


def predict(net: MLP, weights: Weights, x: Tensor) -> Tensor:
    """Output of `feedforward` alone, [E, B, K], without keeping the states of the layers."""
    x = per_member(x, weights.n_members)
    if net.n_hidden == 0:
        return net.a_out * (x @ weights.w_out.mT)
    z = net.a_in * (x @ weights.w_in.mT)
    for w in weights.w_hid.unbind(1):
        forward = net.a_hid * (net.activation.value(z) @ w.mT)
        z = forward.add_(z) if net.skips else forward
    return readout(net, weights, z)


def hidden_predictions(net: MLP, weights: Weights, z: Tensor, x: Tensor) -> Tensor:
    r"""$\hat z_1 … \hat z_H$ given the states below, [E, H, B, N], for `z` [E, H, B, N] and `x` [E, B, D]."""
    if net.n_hidden == 0:
        return z
    first = net.a_in * (x @ weights.w_in.mT)
    below = z[:, :-1]
    above = net.a_hid * (net.activation.value(below) @ weights.w_hid.mT)
    return torch.cat([first.unsqueeze(1), above + below if net.skips else above], 1)


def layer_products(net: MLP, z: Tensor, x: Tensor, hidden: Tensor, output: Tensor) -> Weights:
    r"""$-\frac{1}{B}\, a_l \sum_b e_l\, \varphi(z_{l-1})^\top$ for every layer, with $x$ itself for $l = 1$.

    It is the weight gradient of the energy for the errors `hidden` [E, H, B, N] and `output` [E, B, K] of predictive
    coding at `z`, and that of the squared loss for the errors that backpropagation sends down at the feed-forward `z`.
    `x` is [E, B, D].
    """
    batch = x.shape[1]
    if net.n_hidden == 0:
        w_out = (-net.a_out / batch) * (output.mT @ x)
        return Weights(x.new_empty(len(x), 0, net.input_size), x.new_empty(len(x), 0, 0, 0), w_out)
    phi = net.activation.value(z)
    return Weights(
        (-net.a_in / batch) * (hidden[:, 0].mT @ x),
        (-net.a_hid / batch) * (hidden[:, 1:].mT @ phi[:, :-1]),
        (-net.a_out / batch) * (output.mT @ phi[:, -1]),
    )
