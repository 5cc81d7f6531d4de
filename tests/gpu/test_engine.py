"""The CUDA path of the engines against the CPU's, and its graph against the same work without one."""

import itertools

import pytest
import torch

from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP, Weights
from deepcredit.nets.names import Algorithm, Init, Parameterisation
from deepcredit.rules import backprop
from deepcredit.rules.predictive_coding.engine import Engine
from deepcredit.rules.predictive_coding.options import Inference

CPU = torch.device("cpu")
RATES, DECAYS = (0.5, 0.3, 0.1), (0.0, 0.0, 0.0)


def problem(act_fn: str, device: torch.device, dtype: torch.dtype) -> tuple[MLP, Weights, torch.Tensor, torch.Tensor]:
    net = MLP(40, 32, 6, 10, act_fn, Parameterisation.mupc, skips=True)
    rng = torch.Generator().manual_seed(0)
    weights = draw_weights(net, Init.standard_gauss, [0, 1, 2], dtype=dtype).map(lambda w: w.to(device))
    x, y = (torch.randn(3, 16, n, dtype=dtype, generator=rng).to(device) for n in (40, 10))
    return net, weights, x, y


def learned(
    act_fn: str, algorithm: Algorithm, device: torch.device, dtype: torch.dtype, graph: bool = True
) -> list[torch.Tensor]:
    """Activities, prediction and weight gradients of three members after two batches."""
    net, weights, x, y = problem(act_fn, device, dtype)
    engine = Engine(net, weights, 16, Inference(4, RATES, algorithm, DECAYS), graph=graph)
    engine.learn(x.flip(1), y.flip(1))
    gradient = engine.learn(x, y)
    return [t.cpu() for t in (engine.activities, engine.prediction, *gradient)]


CASES = list(itertools.product(["linear", "tanh", "relu", "gelu"], Algorithm))


@pytest.mark.parametrize(("act_fn", "algorithm"), CASES)
def test_a_step_on_the_gpu_is_that_on_the_cpu(act_fn: str, algorithm: Algorithm, cuda: torch.device) -> None:
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 2e-3)):
        if algorithm is Algorithm.adam and (act_fn == "relu" or dtype is torch.float32):
            continue  # gradients that are zero but for rounding, which Adam amplifies
        pairs = zip(*(learned(act_fn, algorithm, device, dtype) for device in (cuda, CPU)), strict=True)
        for on_gpu, on_cpu in pairs:
            torch.testing.assert_close(on_gpu, on_cpu, rtol=tolerance, atol=tolerance * on_cpu.abs().max().item())


@pytest.mark.parametrize(("act_fn", "algorithm"), CASES)
def test_the_graph_does_the_same_work(act_fn: str, algorithm: Algorithm, cuda: torch.device) -> None:
    with_graph, without = (learned(act_fn, algorithm, cuda, torch.float32, graph) for graph in (True, False))
    for replayed, eager in zip(with_graph, without, strict=True):
        torch.testing.assert_close(replayed, eager, rtol=0, atol=0)


def test_the_graph_reads_weights_that_an_optimiser_has_updated(cuda: torch.device) -> None:
    net, weights, x, y = problem("tanh", cuda, torch.float64)
    engine = Engine(net, weights, 16, Inference(4, 0.3))
    engine.learn(x, y)
    for w in weights:
        w.mul_(0.5)
    found = [g.clone() for g in engine.learn(x, y)]
    expected = Engine(net, weights, 16, Inference(4, 0.3), graph=False).learn(x, y)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_backpropagation_with_a_graph_is_that_on_the_cpu(cuda: torch.device) -> None:
    found = []
    for device in (cuda, CPU):
        net, weights, x, y = problem("relu", device, torch.float64)
        engine = backprop.Engine(net, weights, 16)
        engine.learn(x.flip(1), y.flip(1))
        found.append([g.cpu() for g in engine.learn(x, y)])
    for on_gpu, on_cpu in zip(*found, strict=True):
        torch.testing.assert_close(on_gpu, on_cpu)
