"""Inference against steps written with the energy's gradient and torch's own optimisers; front; independence."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.nets.names import Algorithm, Init, Parameterisation
from deepcredit.rules.predictive_coding.energy import activity_gradient, weight_gradient
from deepcredit.rules.predictive_coding.engine import Engine
from deepcredit.rules.predictive_coding.inference import infer
from deepcredit.rules.predictive_coding.options import Inference

ACT_FNS = ["linear", "tanh", "relu"]
TORCH_OPTIMISER = {Algorithm.gd: torch.optim.SGD, Algorithm.adam: torch.optim.Adam}


def network(
    act_fn: str, n_hidden: int, skips: bool, n_members: int = 1, dtype: torch.dtype = torch.float64
) -> tuple[MLP, Weights, Tensor, Tensor]:
    net = MLP(6, 5, n_hidden, 3, act_fn, Parameterisation.ntp, skips)
    rng = torch.Generator().manual_seed(3)
    weights = draw_weights(net, Init.standard_gauss, range(n_members), dtype=dtype)
    return net, weights, *(torch.randn(n_members, 4, n, dtype=dtype, generator=rng) for n in (6, 3))


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize(
    ("act_fn", "n_hidden", "skips"), list(itertools.product(ACTIVATIONS.names, [1, 3], [False, True]))
)
def test_inference_takes_the_steps_of_torchs_optimisers(
    act_fn: str, n_hidden: int, skips: bool, algorithm: Algorithm, decay: float
) -> None:
    if algorithm is Algorithm.adam and act_fn in ("relu", "gelu") and not decay:
        # where relu is off; and below the front, since torch's gelu rounds the last numbers of an array differently
        pytest.skip("gradients are zero but for rounding, which Adam amplifies")
    net, weights, x, y = network(act_fn, n_hidden, skips)
    z, prediction = feedforward(net, weights, x)
    optimiser = TORCH_OPTIMISER[algorithm]([z.requires_grad_()], lr=0.1)
    for _ in range(4):
        z.grad = activity_gradient(net, weights, z.detach(), x, y, decay)
        optimiser.step()
    found = infer(net, weights, x, y, Inference(4, 0.1, algorithm, activity_decay=decay))
    torch.testing.assert_close(found.z, z.detach(), rtol=1e-6, atol=1e-6 if algorithm is Algorithm.adam else 1e-12)
    torch.testing.assert_close(found.prediction, prediction)


@pytest.mark.parametrize("steps", [0, 1, 2, 4, 5, 9])
@pytest.mark.parametrize(("act_fn", "n_hidden", "skips"), list(itertools.product(ACT_FNS, [1, 2, 5], [False, True])))
def test_the_climbing_front_changes_no_activity(act_fn: str, n_hidden: int, skips: bool, steps: int) -> None:
    net, weights, x, y = network(act_fn, n_hidden, skips)
    options = Inference(steps, 0.4)
    front = infer(net, weights, x, y, options).z
    full = infer(net, weights, x, y, replace(options, front=False)).z
    torch.testing.assert_close(front, full, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("steps", [0, 1, 3, 4, 7])
@pytest.mark.parametrize(("act_fn", "skips"), list(itertools.product(ACT_FNS, [False, True])))
def test_layers_above_the_front_are_the_only_ones_that_move(act_fn: str, skips: bool, steps: int) -> None:
    net, weights, x, y = network(act_fn, 4, skips)
    start = infer(net, weights, x, y, Inference(0, 0.1)).z
    torch.testing.assert_close(start, feedforward(net, weights, x)[0])
    moved = (infer(net, weights, x, y, Inference(steps, 0.1, Algorithm.adam)).z != start).flatten(2).any(2)[0]
    assert moved.tolist() == [layer >= 4 - steps for layer in range(4)]


@pytest.mark.parametrize("steps", [0, 1, 2, 4, 7])
@pytest.mark.parametrize(("act_fn", "n_hidden", "skips"), list(itertools.product(ACT_FNS, [1, 4], [False, True])))
def test_weight_gradient_of_the_engine_is_that_of_the_energy(
    act_fn: str, n_hidden: int, skips: bool, steps: int
) -> None:
    net, weights, x, y = network(act_fn, n_hidden, skips)
    engine = Engine(net, weights, 4, Inference(steps, 0.3))
    learned = engine.learn(x, y)
    expected = weight_gradient(net, weights, engine.activities, x, y)
    for found, gradient in zip(learned, expected, strict=True):
        torch.testing.assert_close(found, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("act_fn", ACT_FNS)
def test_a_member_infers_the_same_bits_whoever_is_beside_it(act_fn: str, algorithm: Algorithm) -> None:
    net, weights, x, y = network(act_fn, 3, True, n_members=9, dtype=torch.float32)
    rates, decays = tuple(0.1 * (m + 1) for m in range(9)), tuple(0.1 * (m % 2) for m in range(9))
    options = Inference(6, rates, algorithm, decays)
    together = infer(net, weights, x, y, options)
    for members in ([4], [4, 7], [0, 1, 2, 3, 4], [8, 4]):
        some = infer(net, weights.members(members), x[members], y[members], options.of_members(members))
        position = members.index(4)
        assert torch.equal(some.z[position], together.z[4])
        assert torch.equal(some.prediction[position], together.prediction[4])


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("act_fn", ACT_FNS)
def test_members_computed_in_one_stack_are_those_computed_alone(act_fn: str, algorithm: Algorithm) -> None:
    """The stacked form that a GPU runs, here on the CPU, with rates and decays of each member's own."""
    net, weights, x, y = network(act_fn, 3, True, n_members=3)
    # without decay, gradients below the front are zero but for rounding, which Adam amplifies
    options = Inference(
        6, (0.1, 0.2, 0.3), algorithm, (0.0, 0.1, 0.0) if algorithm is Algorithm.gd else (0.1, 0.2, 0.3)
    )
    engine = Engine(net, weights, 4, options)
    learned = engine.learn(x, y)
    alone = infer(net, weights, x, y, replace(options, front=False))
    tolerance = 1e-6 if algorithm is Algorithm.adam else 1e-13
    torch.testing.assert_close(engine.activities, alone.z, rtol=tolerance, atol=tolerance)
    for found, expected in zip(learned, weight_gradient(net, weights, alone.z, x, y), strict=True):
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def test_a_tolerance_stops_each_member_where_its_own_gradient_is_small() -> None:
    net, weights, x, y = network("tanh", 2, False, n_members=3)
    options = Inference(3000, 0.5, tolerance=1e-4)
    found = infer(net, weights, x, y, options)
    norms = activity_gradient(net, weights, found.z, x, y).flatten(1).norm(dim=1)
    assert (norms <= 1e-4).all()
    for member, steps in enumerate(found.steps.tolist()):
        one = slice(member, member + 1)
        before = infer(net, weights.members(one), x[one], y[one], Inference(steps - 1, 0.5)).z
        assert activity_gradient(net, weights.members(one), before, x[one], y[one]).norm() > 1e-4


def test_without_hidden_layers_there_is_nothing_to_infer() -> None:
    net, weights, x, y = network("tanh", 0, False, n_members=2)
    found = infer(net, weights, x, y, Inference(3, 0.1))
    assert found.z.shape == (2, 0, 4, 5)
    torch.testing.assert_close(found.prediction, x @ weights.w_out.mT * 6**-0.5)


def test_a_negative_number_of_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        Inference(-1, 0.1)
