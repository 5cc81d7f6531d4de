"""Extreme eigenvalues of the activity Hessian: without a dense matrix, and with a dense solver, in one run.

    python benchmarks/hessian.py [--width 128] [--n-hidden 32]

Prints seconds on one core, the ratio, and the relative difference of λ_min and λ_max, for networks of every activation
function, with and without skips. The dense time includes the solver only, not the assembly of the matrix.
"""

import argparse
import time

import torch

from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP
from deepcredit.nets.names import Init, Parameterisation
from deepcredit.theory.hessian import extreme_eigenvalues, hessian_at_start

SCALINGS = {Parameterisation.sp: Init.standard, Parameterisation.mupc: Init.standard_gauss}


def compare(net: MLP, init: Init) -> str:
    """One line of the table for one network."""
    weights = draw_weights(net, init, [0], dtype=torch.float64)
    x = torch.ones(1, net.input_size, dtype=torch.float64)
    blocks = hessian_at_start(net, weights, x, x)
    dense = blocks.dense()[0]
    start = time.perf_counter()
    found = extreme_eigenvalues(blocks, 1e-6)
    middle = time.perf_counter()
    values = torch.linalg.eigvalsh(dense)
    end = time.perf_counter()
    errors = [abs(f - v) / abs(v) for f, v in zip(found, (values[0].item(), values[-1].item()), strict=True)]
    ours, solver = middle - start, end - middle
    name = f"{net.act_fn}, {net.parameterisation.value}{', skips' if net.skips else ''}"
    return (
        f"{name:<20} {ours:7.3f} s, dense {solver:6.2f} s, ratio {solver / ours:5.1f}, "
        f"kappa {abs(found[1] / found[0]):8.3g}, differences {errors[0]:.1e} {errors[1]:.1e}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--n-hidden", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for parameterisation, init in SCALINGS.items():
        for act_fn in ("linear", "tanh", "relu"):
            for skips in (False, True):
                shape = (options.width, options.width, options.n_hidden, options.width)
                print(compare(MLP(*shape, act_fn, parameterisation, skips), init), flush=True)


if __name__ == "__main__":
    main()
