"""The equilibrium of linear networks: exact without a system of all activities, and by a dense solve, in one run.

    python benchmarks/equilibrium.py [--width 64] [--n-hidden 64] [--batch-size 64]

Prints seconds on one core, ratio and largest relative difference, then the time of one iteration of training at the
equilibrium with and without its activities. The dense time includes the solve only, not the assembly of the matrix.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from deepcredit.data.datasets import DATASETS
from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP, Weights
from deepcredit.nets.names import Init, Parameterisation
from deepcredit.rules.predictive_coding.energy import activity_gradient, weight_gradient
from deepcredit.rules.predictive_coding.equilibrium import equilibrium
from deepcredit.rules.predictive_coding.exact_learning import ExactLearner
from deepcredit.theory.hessian import linear_hessian


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Shortest of several times that `function` takes."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def dense_solve(matrix: Tensor, net: MLP, weights: Weights, x: Tensor, y: Tensor) -> Tensor:
    """Equilibrium [H, B, N] from H z = −B ∂F/∂z at zero."""
    zero = x.new_zeros(1, net.n_hidden, x.shape[1], net.width)
    right = -x.shape[1] * activity_gradient(net, weights, zero, x, y)[0].transpose(1, 2)
    solution = torch.linalg.solve(matrix, right.reshape(-1, x.shape[1]))
    return solution.reshape(net.n_hidden, net.width, -1).transpose(1, 2)


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("--width", 64), ("--n-hidden", 64), ("--batch-size", 64)):
        parser.add_argument(name, type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = DATASETS["mnist"].sizes
    assert sizes is not None
    shape = sizes.n_inputs, options.width, options.n_hidden, sizes.n_classes
    net = MLP(*shape, "linear", Parameterisation.mupc, True)
    weights = draw_weights(net, Init.standard_gauss, [0], dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    ends = net.input_size, net.output_size
    x, y = (torch.randn(1, options.batch_size, n, dtype=torch.float64, generator=rng) for n in ends)
    matrix, learner = linear_hessian(net, weights).dense()[0], ExactLearner(net, weights)
    exact = seconds(lambda: equilibrium(net, weights, x, y), 5)
    dense = seconds(lambda: dense_solve(matrix, net, weights, x, y), 2)
    z = equilibrium(net, weights, x, y).z
    expected = dense_solve(matrix, net, weights, x, y)
    difference = ((z[0] - expected).abs().max() / expected.abs().max()).item()
    print(f"{net.n_hidden} layers of {net.width}, batch {options.batch_size}, one core")
    print(
        f"equilibrium {exact * 1e3:.2f} ms, dense solve {dense:.3f} s, ratio {dense / exact:.0f}, "
        f"difference {difference:.1e}"
    )
    with_activities = seconds(lambda: weight_gradient(net, weights, equilibrium(net, weights, x, y).z, x, y), 5)
    without = seconds(lambda: learner.learn(x, y), 5)
    print(f"gradient there {with_activities * 1e3:.2f} ms, without activities {without * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
