"""The cost model's kernels are those that a device starts.

Expectations: the kernels that the pretended device counts.
"""

import itertools

import pytest
import torch

from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP
from deepcredit.nets.names import Algorithm, Init, Parameterisation
from deepcredit.rules import backprop, costs
from deepcredit.rules.options import SteppedInference
from deepcredit.rules.predictive_coding.learner import Learner
from deepcredit.studies.mupc.costs import pc_training
from deepcredit.training import stack
from tests.gpu.pretend import Device
from tests.gpu.tensors import CUDA

N_HIDDEN = 3


def kernels(rule: type, act_fn: str, device: Device, n_hidden: int = N_HIDDEN, options: tuple = ()) -> int:
    """What one batch starts, three members in a stack."""
    net = MLP(12, 8, n_hidden, 4, act_fn, Parameterisation.mupc, skips=True)
    weights = draw_weights(net, Init.standard_gauss, [0, 1, 2]).map(lambda w: w.to(CUDA))
    learner = rule(net, weights, 10, options)
    x, y = (torch.randn(3, 10, n).to(CUDA) for n in (12, 4))
    before = device.kernels.total()
    learner._learn(x, y)
    return device.kernels.total() - before


def inferring(max_t: int, algorithm: Algorithm, several: bool, decay: float) -> SteppedInference:
    return SteppedInference([0.1, 0.2, 0.3] if several else 0.1, algorithm, max_t, decay)


def members(options: SteppedInference) -> tuple[SteppedInference, ...]:
    """Options of three members."""
    own = options.members()
    return tuple(own if len(own) == 3 else own * 3)


CASES = list(itertools.product(ACTIVATIONS.names, Algorithm, [False, True], [0.0, 0.1]))


@pytest.mark.parametrize(("act_fn", "algorithm", "several", "decay"), CASES)
def test_kernels_of_a_step_of_inference(
    act_fn: str, algorithm: Algorithm, several: bool, decay: float, pretended_cuda: Device
) -> None:
    """Of one in which every layer has an error: what a step more starts."""
    fewer, more = (inferring(n, algorithm, several, decay) for n in (N_HIDDEN + 1, N_HIDDEN + 2))
    counted = [kernels(Learner, act_fn, pretended_cuda, options=members(options)) for options in (fewer, more)]
    assert counted[1] - counted[0] == costs.STEP_PRODUCTS + len(costs.step_passes(act_fn, more))


@pytest.mark.parametrize("act_fn", ["linear", "relu", "tanh"])
def test_kernels_of_a_layer(act_fn: str, pretended_cuda: Device) -> None:
    """Of the feed-forward pass that inference begins with, and of backpropagation."""
    shapes = [costs.Batch(12, 8, n_hidden, 4, act_fn, 10) for n_hidden in (3, 4)]
    for rule, cost, options in (
        (Learner, costs.stepped_inference, SteppedInference(max_t=0)),
        (backprop.Engine, costs.two_passes, None),
    ):
        own = members(options) if options else ()
        counted = [kernels(rule, act_fn, pretended_cuda, shape.n_hidden, own) for shape in shapes]
        expected = [cost(shape, options).kernels for shape in shapes]
        assert counted[1] - counted[0] == expected[1] - expected[0]


def test_a_test_takes_so_many_rows_at_once() -> None:
    assert pc_training.TEST_ROWS == stack.TEST_ROWS
