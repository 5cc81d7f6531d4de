"""Time of one training step of predictive coding: this engine beside others, with the same number of threads.

    python benchmarks/step_time.py                       # shapes a, b, c on one core
    python benchmarks/step_time.py --shape b --threads 2 --members 9
    python benchmarks/step_time.py --device cuda         # adds shape d and the time without the CUDA graph

A step is initialisation by a feed-forward pass, T inference steps, and one Adam step on all weights. The engine's share
of the matrix-product throughput counts the operations that it has to do: feed-forward, predictions and errors of the
layers that the climbing error has reached, errors and weight gradients at the end. The throughput is measured in the
same process, on batched products of the same shape.

JPC and PCX are timed where they can be imported; PCX with its whole inference loop in one jitted scan.
"""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shape", choices=["a", "b", "c", "d"], action="append", help="default: a, b, c (and d on a GPU)"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU cores that every implementation may use")
    parser.add_argument("--members", type=int, default=1, help="networks in this engine's stack")
    parser.add_argument("--repeats", type=int, default=5, help="steps timed; the fastest is reported")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: processor time, for a machine shared with others"
    )
    parser.add_argument("--only", help="comma-separated names of implementations")
    return parser.parse_args()


OPTIONS = arguments() if __name__ == "__main__" else None
if OPTIONS is not None and OPTIONS.device == "cpu":
    # before anything that starts threads: all implementations see these cores only
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: OPTIONS.threads])

import torch  # noqa: E402
from peers import BATCH, INPUT, OUTPUT, SEED, SHAPES, WEIGHT_LR, Shape, Step, batch, jpc, network, pcx, plain_autograd  # noqa: E402

from deepcredit.nets.mlp import per_member  # noqa: E402
from deepcredit.rules.products import fast_products  # noqa: E402
from deepcredit.schema.networks import Init, Rule  # noqa: E402
from deepcredit.training.members import Member, Recipe  # noqa: E402
from deepcredit.training.stack import stacks  # noqa: E402


class Stopwatch:
    """Times a step on one device with one clock."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._repeats = options.repeats
        self._clock = time.process_time if options.clock == "cpu" else time.perf_counter
        self._wait = torch.cuda.synchronize if options.device == "cuda" else lambda: None

    def seconds(self, step: Step) -> float:
        """Shortest time of `step`, after two runs that are not counted: what else a machine does only adds to it."""
        times = []
        for _ in range(self._repeats + 2):
            start = self._clock()
            step()
            self._wait()
            times.append(self._clock() - start)
        return min(times[2:])


def this_engine(shape: Shape, n_members: int, device: str, graph: bool | None = None) -> Step:
    """A training step as the Lightning module takes it, without Lightning."""
    recipe = Recipe(network(shape), _init(shape), 1.0, Rule.pc, BATCH, steps=shape.steps)
    members = [Member(seed, WEIGHT_LR, shape.activity_lr) for seed in range(n_members)]
    together = stacks(recipe, members, torch.device(device))
    if graph is False:
        for stack in together:
            stack.engine._graph = None
    optimiser = torch.optim.Adam([g for stack in together for g in stack.parameter_groups()], fused=True)
    x, y = (t.to(device) for t in batch())

    def step() -> None:
        for stack in together:
            stack.learn(per_member(x, len(stack.members)), per_member(y, len(stack.members)))
        optimiser.step()

    return step


def _init(shape: Shape) -> Init:
    return Init.standard if shape.parameterisation == "sp" else Init.standard_gauss


def product_throughput(shape: Shape, n_members: int, device: str, stopwatch: Stopwatch) -> float:
    """FLOP/s of a batched matrix product [E(H−1), B, N] · [E(H−1), N, N]."""
    layers = n_members * (shape.n_hidden - 1)
    rng = torch.Generator().manual_seed(SEED)
    a = torch.randn(layers, BATCH, shape.width, generator=rng).to(device)
    w = torch.randn(layers, shape.width, shape.width, generator=rng).to(device)
    out = torch.empty_like(a)
    return 2 * w.numel() * BATCH / stopwatch.seconds(lambda: torch.bmm(a, w, out=out))


def operations(shape: Shape) -> float:
    """FLOP that a member's step has to do, from the climbing front."""
    hidden, width = shape.n_hidden, shape.width
    one = 2 * BATCH * width * width
    outer, last = 2 * BATCH * INPUT * width, 2 * BATCH * OUTPUT * width
    inference = 0.0
    for t in range(shape.steps):
        predictions = min(t, hidden - 1)
        sent_back = min(t, hidden - 1)
        inference += one * (predictions + sent_back) + 2 * last
    reached = min(shape.steps, hidden - 1)
    start = outer + (hidden - 1) * one + last
    learning = 2 * reached * one + 2 * last + (outer if shape.steps >= hidden else 0)
    return start + inference + learning


def implementations(shape: Shape, options: argparse.Namespace) -> dict[str, Callable[[], Step]]:
    """What can be timed here, by name."""
    found: dict[str, Callable[[], Step]] = {"deepcredit": lambda: this_engine(shape, options.members, options.device)}
    if options.device == "cuda":
        found["deepcredit without graph"] = lambda: this_engine(shape, options.members, options.device, graph=False)
    found["plain autograd"] = lambda: plain_autograd(shape, options.device)
    if options.device == "cpu":
        for library, step in (("jpc", jpc), ("pcx", pcx)):
            if importlib.util.find_spec(library) is not None:
                found[library] = lambda step=step: step(shape)
    if options.only:
        found = {key: value for key, value in found.items() if key in options.only.split(",")}
    return found


def report(name: str, options: argparse.Namespace) -> None:
    """Time all implementations at one shape, and print a line for each."""
    shape, stopwatch = SHAPES[name], Stopwatch(options)
    throughput = product_throughput(shape, options.members, options.device, stopwatch)
    print(f"({name}) {shape}\n    batched matrix product: {throughput / 1e9:.1f} GFLOP/s", flush=True)
    reference = None
    for label, make in implementations(shape, options).items():
        taken = stopwatch.seconds(make())
        reference = reference or taken
        line = f"    {label:24s} {taken * 1e3:10.2f} ms   ratio {taken / reference:6.2f}"
        if label.startswith("deepcredit"):
            share = options.members * operations(shape) / taken / throughput
            line += f"   {options.members} member(s), {share:.0%} of the product throughput"
        print(line, flush=True)


def main(options: argparse.Namespace) -> None:
    """Report every shape asked for."""
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    print(f"torch {torch.__version__}, {options.device}, {options.threads} thread(s), {options.members} member(s)")
    with fast_products():
        for name in options.shape or (["a", "b", "c", "d"] if options.device == "cuda" else ["a", "b", "c"]):
            report(name, options)


if __name__ == "__main__":
    sys.exit(main(OPTIONS))
