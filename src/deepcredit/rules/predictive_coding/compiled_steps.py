"""Steps of inference for one member on the CPU, by the sweeps of `deepcredit.rules.predictive_coding.compiled`.

Shapes: H hidden layers, B batch, D input, N width, K output.
"""

import numpy as np
import torch
from torch import Tensor

from deepcredit.core.registry import load
from deepcredit.nets.mlp import MLP, Weights
from deepcredit.nets.names import Algorithm
from deepcredit.rules.predictive_coding.compiled import sweeps
from deepcredit.rules.predictive_coding.compiled.products import lanes
from deepcredit.rules.predictive_coding.options import Inference
from deepcredit.rules.predictive_coding.state import BETA_1, BETA_2, EPSILON, State, only


class CompiledSteps:
    """Steps of some samples of a batch, one sweep each.

    Samples lie in columns for whole vector registers; those beyond the last sample are zero. The network's activation
    function has a kernel.
    """

    def __init__(self, net: MLP, weights: Weights, samples: range, batch_size: int, options: Inference) -> None:
        rate, decay = only(options.learning_rate), only(options.activity_decay)
        assert rate is not None
        assert decay is not None
        assert net.activation.kernel is not None
        self._samples, self._batch_size, self._rate = slice(samples.start, samples.stop), batch_size, rate
        self._layers = _layers(net, weights.w_out.dtype, len(samples))
        moments = 2 if options.algorithm is Algorithm.adam else 0
        self._moments = [np.zeros_like(self._layers.z) for _ in range(moments)]
        number = self._number = self._layers.z.dtype.type
        scalings = (number(net.a_in), number(net.a_hid), number(net.a_out))
        kind = sweeps.Kind(net.activation.linear, net.skips, *scalings, decay=number(decay))
        self._fixed = (sweeps.Weights(*(w[0].numpy() for w in weights)), self._layers, kind)
        self._kernel = load(net.activation.kernel)()

    def feedforward(self, x: Tensor, y: Tensor) -> None:
        """Begin with `x` [1, B, D] and `y` [1, B, K]."""
        self._columns(self._layers.x).copy_(x[0, self._samples].T)
        self._columns(self._layers.y).copy_(y[0, self._samples].T)
        sweeps.feedforward(*self._fixed, self._kernel)
        for moment in self._moments:
            moment.fill(0)

    def move(self, lowest: int, t: int) -> bool:
        """Step t, from 0."""
        if self._moments:
            sweeps.descend_by_adam(*self._fixed, self._kernel, lowest, self._adam(t), *self._moments)
        else:
            rate = self._number(self._rate / self._batch_size)
            sweeps.descend(*self._fixed, self._kernel, lowest, rate)
        return True

    def settle(self, lowest: int) -> State:
        """The state of these samples."""
        sweeps.find_errors(*self._fixed, lowest)
        ours = self._layers
        z, phi, error = (self._columns(of_layer).unsqueeze(1) for of_layer in (ours.z, ours.phi, ours.error))
        output, output_error = (self._columns(of_output).unsqueeze(0) for of_output in (ours.output, ours.output_error))
        return State(z, phi, error, output, output_error)

    def _columns(self, array: np.ndarray) -> Tensor:
        """Those of samples; a view."""
        return torch.from_numpy(array)[..., : self._samples.stop - self._samples.start]

    def _adam(self, t: int) -> sweeps.Adam:
        rate, root = self._rate / (1 - BETA_1 ** (t + 1)), (1 - BETA_2 ** (t + 1)) ** -0.5
        numbers = (1 / self._batch_size, rate, root, 1 - BETA_1, BETA_2, 1 - BETA_2, EPSILON)
        return sweeps.Adam(*map(self._number, numbers))


def _layers(net: MLP, dtype: torch.dtype, n_samples: int) -> sweeps.Layers:
    unit = lanes(dtype)

    def new(*rows: int) -> np.ndarray:
        # torch's memory begins where a vector register can be loaded from in one go
        return torch.zeros(*rows, -(-n_samples // unit) * unit, dtype=dtype).numpy()

    z = new(net.n_hidden, net.width)
    return sweeps.Layers(
        x=new(net.input_size),
        y=new(net.output_size),
        z=z,
        phi=z if net.activation.linear else new(net.n_hidden, net.width),
        first=new(net.width),
        error=new(net.n_hidden, net.width),
        sent=new(net.width),
        output=new(net.output_size),
        output_error=new(net.output_size),
    )
