r"""The engine of predictive coding: inference and weight gradient of E networks of one shape, batch after batch.

Shapes: E members, H hidden layers, B batch, D input, N width, K output.

**A step** moves the activities of all hidden layers at once, along
$-B\,\partial F/\partial z_l = a_{l+1}\varphi'(z_l)\circ(W_{l+1}^\top e_{l+1}) \;(+\,e_{l+1}) - e_l - \alpha z_l$
with the errors $e_l = z_l - \hat z_l$, the bracket with skips and $l < H$.

**The climbing front.** Inference starts at the feed-forward values, where every error but the output's is zero, and the
error climbs one layer a step: step t (from 0) moves the top t + 1 hidden layers only, and needs the errors of the top t
only. Leaving the layers below alone is exact, for gradient descent and for Adam (whose moments are zero there), and
halves the work when T = H. With activity decay every layer moves from the first step on, and all of them are computed.
"""

import functools
import itertools
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights
from deepcredit.rules.graph import Graph
from deepcredit.rules.predictive_coding.compiled.products import lanes
from deepcredit.rules.predictive_coding.compiled_steps import CompiledSteps
from deepcredit.rules.predictive_coding.options import Inference
from deepcredit.rules.predictive_coding.state import State, Steps, joined
from deepcredit.rules.predictive_coding.tensor_steps import LayersFirst, TensorSteps, multiply, stacked


class Engine:
    """Inference and weight gradient of the members of `weights`, computed together.

    All buffers are allocated once. The engine reads `weights` anew for every batch and never writes them, so an
    optimiser may update them in place. Raises `ValueError` without a hidden layer.

    A single member's steps on the CPU are compiled where its activation function has a kernel, and taken by as many
    threads as torch has. On a CUDA device the work on one batch is captured once as a graph and replayed;
    `graph=False` switches that off. A tolerance, whose check must look at the numbers, rules out both.
    """

    state: State  #: where inference of the last batch ended

    def __init__(self, net: MLP, weights: Weights, batch_size: int, options: Inference, *, graph: bool = True) -> None:
        if net.n_hidden < 1:
            raise ValueError("a network without hidden layers has no activities to infer")
        self.net, self.options = net, options
        self.n_members, self.batch_size = weights.n_members, batch_size
        self.gradient = weights.map(torch.zeros_like)
        self.steps_taken = 0
        self._hidden_gradient = LayersFirst(self.gradient.w_hid)
        self._parts = _parts(net, weights, batch_size, options)
        capable = weights.w_out.is_cuda and options.tolerance is None
        self._graph = Graph(self._learn) if capable and graph else None

    @property
    def activities(self) -> Tensor:
        """z where inference ended, [E, H, B, N]; a view."""
        return self.state.z.transpose(0, 1).mT

    @property
    def prediction(self) -> Tensor:
        """Feed-forward output before inference, [E, B, K]; a view."""
        return self.state.output.mT

    def infer(self, x: Tensor, y: Tensor) -> None:
        """Infer for `x` [E, B, D] and `y` [E, B, K]; leaves `state` and `steps_taken`."""
        ends = self._ends(x, y)
        self.state, self.steps_taken = joined([state for state, _ in ends]), ends[0][1]

    def learn(self, x: Tensor, y: Tensor) -> Weights:
        """Infer, and return ∂F/∂W at the activities where inference ended, in a buffer of the engine's."""
        if self._graph is None:
            self._learn(x, y)
        else:
            self._graph.run(x, y)
        return self.gradient

    def _learn(self, x: Tensor, y: Tensor) -> None:
        self.infer(x, y)
        self._weight_gradient(x)

    def _ends(self, x: Tensor, y: Tensor) -> list[tuple[State, int]]:
        """Where the inference of every part ends."""
        if len(self._parts) == 1:
            return [self._infer_part(self._parts[0], x, y)]
        return list(_pool(len(self._parts)).map(lambda steps: self._infer_part(steps, x, y), self._parts))

    def _infer_part(self, steps: Steps, x: Tensor, y: Tensor) -> tuple[State, int]:
        """Where inference ends, and the number of steps taken."""
        steps.feedforward(x, y)
        t = 0
        while t < self.options.steps and steps.move(self._lowest(t), t):
            t += 1
        return steps.settle(self._lowest(t)), t

    def _lowest(self, t: int) -> int:
        """The lowest hidden layer (from 0; H: none) that the error has reached after t steps."""
        return max(0, self.net.n_hidden - t) if self.options.climbs else 0

    def _weight_gradient(self, x: Tensor) -> None:
        """∂F/∂W = −a/B Σ e φᵀ; layers that the error never reached have none."""
        net, (_, phi, error, _, output_error), lowest = self.net, self.state, self._lowest(self.steps_taken)
        if lowest == 0:
            multiply(self.gradient.w_in, error[0], x, -net.a_in / self.batch_size)
        above = max(1, lowest)
        if above < net.n_hidden:
            gradient = stacked(self._hidden_gradient.tensor[above - 1 :])
            multiply(gradient, stacked(error[above:]), stacked(phi[above - 1 : -1]).mT, -net.a_hid / self.batch_size)
            self._hidden_gradient.write()
        multiply(self.gradient.w_out, output_error, phi[-1].mT, -net.a_out / self.batch_size)


def _parts(net: MLP, weights: Weights, batch_size: int, options: Inference) -> list[Steps]:
    """What infers, each its own samples: they never meet, so threads need not wait for each other."""
    alone = weights.n_members == 1 and not weights.w_out.is_cuda and options.tolerance is None
    if not alone or net.activation.kernel is None:
        return [TensorSteps(net, weights, batch_size, options)]
    samples = cut(batch_size, lanes(weights.w_out.dtype), torch.get_num_threads())
    return [CompiledSteps(net, weights, some, batch_size, options) for some in samples]


def cut(n_samples: int, unit: int, n_parts: int) -> list[range]:
    """The samples in at most `n_parts` runs of about the same length, all but the last in whole units."""
    n_units = -(-n_samples // unit)
    edges = [*(unit * (n_units * part // n_parts) for part in range(n_parts)), n_samples]
    return [range(start, stop) for start, stop in itertools.pairwise(edges) if stop > start]


@functools.cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="inference")
