"""Steps of inference by torch: on any device, for a stack of members, with or without a tolerance.

Shapes: E members, H hidden layers, B batch, D input, N width, K output.
"""

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights
from deepcredit.nets.names import Algorithm
from deepcredit.rules.predictive_coding.options import Inference
from deepcredit.rules.predictive_coding.state import BETA_1, BETA_2, EPSILON, State, only


class LayersFirst:
    """Tensor [H-1, E, N, N] of one like `Weights.w_hid`, [E, H-1, N, N]: a view for one member, for more a copy."""

    def __init__(self, members_first: Tensor) -> None:
        self._source = members_first.transpose(0, 1)
        self._copied = len(members_first) > 1
        self.tensor = self._source.clone(memory_format=torch.contiguous_format) if self._copied else self._source

    def read(self) -> None:
        """Bring the copy up to date."""
        if self._copied:
            self.tensor.copy_(self._source)

    def write(self) -> None:
        """Bring the original up to date."""
        if self._copied:
            self._source.copy_(self.tensor)


class TensorSteps:
    """Two products a step for all layers and members at once, and element-wise work between and after them."""

    def __init__(self, net: MLP, weights: Weights, batch_size: int, options: Inference) -> None:
        self._net, self._weights, self._options = net, weights, options
        self._hidden = LayersFirst(weights.w_hid)
        new, shape = weights.w_out.new_empty, (net.n_hidden, weights.n_members, net.width, batch_size)
        z, output = new(shape), new(shape[1], net.output_size, batch_size)
        phi = z if net.activation.linear else new(shape)
        self._state = State(z, phi, new(shape), output, torch.empty_like(output))
        #: y, prediction of the first layer, and what is sent down to each layer
        self._y, self._first, self._sent = torch.empty_like(output), new(shape[1:]), new(shape)
        self._rate, self._decay = _against(z, options.learning_rate), _against(z, options.activity_decay)
        adam = options.algorithm is Algorithm.adam
        self._moments = [torch.zeros_like(z) for _ in range(2)] if adam else []

    def feedforward(self, x: Tensor, y: Tensor) -> None:
        """Begin with `x` [E, B, D] and `y` [E, B, K]."""
        net, (z, phi, _, output, _) = self._net, self._state
        self._hidden.read()
        self._y.copy_(y.mT)
        multiply(self._first, self._weights.w_in, x.mT, net.a_in)
        z[0].copy_(self._first)
        self._activate(slice(0, 1))
        for layer, w in enumerate(self._hidden.tensor, 1):
            torch.baddbmm(z[layer - 1], w, phi[layer - 1], beta=float(net.skips), alpha=net.a_hid, out=z[layer])
            self._activate(slice(layer, layer + 1))
        multiply(output, self._weights.w_out, phi[-1], net.a_out)
        for moment in self._moments:
            moment.zero_()

    def move(self, lowest: int, t: int) -> bool:
        """Step t, from 0."""
        self._find_errors(lowest)
        descent, moving = self._descent(lowest), slice(max(0, lowest - 1), None)
        tolerance = self._options.tolerance
        if tolerance is not None and (descent.norm() / descent.shape[-1]).item() <= tolerance:
            return False
        z = self._state.z[moving]
        if self._moments:
            _add_scaled_(z, self._adam(descent, moving, t), self._rate / (1 - BETA_1 ** (t + 1)))
        else:
            _add_scaled_(z, descent, self._rate / descent.shape[-1])
        self._activate(moving)
        return True

    def settle(self, lowest: int) -> State:
        """The state with the errors at these activities."""
        self._find_errors(lowest)
        return self._state

    def _activate(self, layers: slice) -> None:
        if not self._net.activation.linear:
            self._net.activation.value(self._state.z[layers], out=self._state.phi[layers])

    def _find_errors(self, lowest: int) -> None:
        """Errors of the output and of the hidden layers from `lowest` up."""
        net, (z, phi, error, _, output_error) = self._net, self._state
        torch.baddbmm(self._y, self._weights.w_out, phi[-1], alpha=-net.a_out, out=output_error)
        if lowest == 0:
            torch.sub(z[0], self._first, out=error[0])
        above = max(1, lowest)
        if above < len(z):
            w, below = self._hidden.tensor[above - 1 :], slice(above - 1, -1)
            multiply(stacked(error[above:]), stacked(w), stacked(phi[below]), net.a_hid)
            torch.sub(z[above:], error[above:], out=error[above:])
            if net.skips:
                error[above:].sub_(z[below])

    def _descent(self, lowest: int) -> Tensor:
        """−B ∂F/∂z of the layers that move."""
        net, (z, phi, error, _, output_error), sent = self._net, self._state, self._sent
        moving = max(0, lowest - 1)
        below, above = slice(moving, -1), slice(moving + 1, None)
        multiply(sent[-1], self._weights.w_out.mT, output_error, net.a_out)
        if moving < len(z) - 1:
            w = self._hidden.tensor[moving:].mT
            multiply(stacked(sent[below]), stacked(w), stacked(error[above]), net.a_hid)
        net.activation.pull_back_(z[moving:], phi[moving:], sent[moving:])
        if net.skips:
            sent[below].add_(error[above])
        sent[lowest:].sub_(error[lowest:])
        if self._options.decays:
            sent[moving:].sub_(z[moving:] * self._decay)
        return sent[moving:]

    def _adam(self, descent: Tensor, moving: slice, t: int) -> Tensor:
        """Direction of step t, without the first moment's bias correction. Overwrites `descent`."""
        first, second = (moment[moving] for moment in self._moments)
        descent.mul_(1 / descent.shape[-1])
        first.lerp_(descent, 1 - BETA_1)
        second.mul_(BETA_2).addcmul_(descent, descent, value=1 - BETA_2)
        scale = torch.sqrt(second, out=descent).mul_((1 - BETA_2 ** (t + 1)) ** -0.5).add_(EPSILON)
        return torch.div(first, scale, out=descent)


def stacked(tensor: Tensor) -> Tensor:
    """Layers and members [k, E, ·, ·] as one batch of matrices; always a view."""
    return tensor.view(-1, *tensor.shape[2:])


def multiply(result: Tensor, left: Tensor, right: Tensor, factor: float) -> None:
    """result ← factor · left right, for batches of matrices."""
    torch.baddbmm(result, left, right, beta=0, alpha=factor, out=result)


def _against(z: Tensor, value: float | tuple[float, ...]) -> float | Tensor:
    """A number if members share it, else a tensor that broadcasts against `z`."""
    shared = only(value)
    return torch.tensor(value, dtype=z.dtype, device=z.device).reshape(-1, 1, 1) if shared is None else shared


def _add_scaled_(z: Tensor, direction: Tensor, rate: float | Tensor) -> None:
    """z ← z + rate · direction; one pass where members share the rate. Overwrites `direction` otherwise."""
    if isinstance(rate, float):
        z.add_(direction, alpha=rate)
    else:
        z.add_(direction.mul_(rate))
