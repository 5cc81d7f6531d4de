"""Time of one training step of predictive coding: this engine beside others, with the same number of threads.

    python benchmarks/step_time.py                                   # shapes a, b, c on one core
    python benchmarks/step_time.py --jpc ENV/bin/python --pcx ENV/bin/python
    python benchmarks/step_time.py --shape b --threads 2 --members 9
    python benchmarks/step_time.py --device cuda                     # adds shape d and the time without the CUDA graph

A step is initialisation by a feed-forward pass, T inference steps, and one Adam step on all weights. The engine's share
of the matrix-product throughput counts the operations that it has to do: feed-forward, predictions and errors of the
layers that the climbing error has reached, errors and weight gradients at the end. The throughput is measured in the
same process, by torch, on batched products of the same shape, so the share may pass 100 %.

JPC (github.com/thebuckleylab/jpc) wants jax of at most 0.5.2, PCX (github.com/liukidar/pcx) is faster with a later one.
Each is timed in an interpreter of its own, named on the command line, or in this one if it can be imported here. PCX
has its whole inference loop in one jitted scan.
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import peers
from peers import Step, Task


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
    for library in peers.LIBRARIES:
        parser.add_argument(f"--{library}", metavar="PYTHON", help=f"an interpreter that imports {library}")
    return parser.parse_args()


OPTIONS = arguments() if __name__ == "__main__" else None
if OPTIONS is not None and OPTIONS.device == "cpu":
    # before anything that starts threads: all implementations see these cores only
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: OPTIONS.threads])

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from deepcredit.data.datasets import DATASETS  # noqa: E402
from deepcredit.nets.mlp import MLP, per_member  # noqa: E402
from deepcredit.nets.names import Init, Parameterisation  # noqa: E402
from deepcredit.rules.options import SteppedInference  # noqa: E402
from deepcredit.rules.products import fast_products  # noqa: E402
from deepcredit.training.members import Member, Recipe  # noqa: E402
from deepcredit.training.stack import parameter_groups, stacks  # noqa: E402

SEED, BATCH, WEIGHT_LR = 0, 64, 0.001

#: images as large as MNIST's
SIZES = DATASETS["mnist"].sizes
assert SIZES is not None


@dataclass(frozen=True)
class Shape:
    """One benchmark: a network and T."""

    parameterisation: Parameterisation
    skips: bool
    n_hidden: int
    width: int
    steps: int
    activity_lr: float

    @property
    def net(self) -> MLP:
        """The network that all implementations train."""
        shape = SIZES.n_inputs, self.width, self.n_hidden, SIZES.n_classes
        return MLP(*shape, "relu", self.parameterisation, self.skips)

    def __str__(self) -> str:
        skips = "skips" if self.skips else "no skips"
        return f"{self.parameterisation.value}, relu, {skips}, H={self.n_hidden}, N={self.width}, T={self.steps}"


SHAPES = {
    "a": Shape(Parameterisation.sp, False, 8, 128, 100, 0.1),
    "b": Shape(Parameterisation.mupc, True, 8, 512, 8, 0.5),
    "c": Shape(Parameterisation.mupc, True, 32, 512, 32, 0.5),
    "d": Shape(Parameterisation.mupc, True, 128, 512, 128, 0.5),
}


class Stopwatch:
    """Times a step on one device with one clock."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._repeats = options.repeats
        self._clock = options.clock
        self._wait = torch.cuda.synchronize if options.device == "cuda" else lambda: None

    def seconds(self, step: Step) -> float:
        """Shortest time of `step`."""

        def whole_step() -> None:
            step()
            self._wait()

        return peers.fastest(whole_step, self._repeats, self._clock)


def this_engine(shape: Shape, n_members: int, device: str, graph: bool) -> Step:
    """A training step as the Lightning module takes it, without Lightning."""
    recipe = Recipe(shape.net, initial(shape), 1.0, "pc", BATCH)
    own = SteppedInference(shape.activity_lr, max_t=shape.steps)
    members = [Member(seed, WEIGHT_LR, own) for seed in range(n_members)]
    together = stacks(recipe, members, torch.device(device))
    if not graph:
        for stack in together:
            stack.learner._graph = None
    optimiser = torch.optim.Adam(parameter_groups(together), fused=True)
    x, y = (t.to(device) for t in batch())

    def step() -> None:
        for stack in together:
            stack.learn(per_member(x, len(stack.members)), per_member(y, len(stack.members)))
        optimiser.step()

    return step


def initial(shape: Shape) -> Init:
    """Initial weights that go with the parameterisation."""
    return Init.standard if shape.parameterisation is Parameterisation.sp else Init.standard_gauss


def repeated(step: Step, times: int) -> Step:
    """The same step several times in a row."""

    def steps() -> None:
        for _ in range(times):
            step()

    return steps


def batch() -> tuple[Tensor, Tensor]:
    """Random images and one-hot targets."""
    rng = torch.Generator().manual_seed(SEED)
    labels = torch.randint(SIZES.n_classes, (BATCH,), generator=rng)
    x = torch.randn(BATCH, SIZES.n_inputs, generator=rng)
    return x, torch.nn.functional.one_hot(labels, SIZES.n_classes).float()


def plain_autograd(shape: Shape, device: str) -> Step:
    """The same step as one would first write it: a list of layers, the energy, torch's automatic differentiation."""
    net = shape.net
    rng = torch.Generator().manual_seed(SEED)
    weights = [torch.randn(s, generator=rng).to(device).requires_grad_() for s in net.layer_shapes]
    optimiser = torch.optim.Adam(weights, lr=WEIGHT_LR)
    x, y = (t.to(device) for t in batch())

    def layer(index: int, z: Tensor) -> Tensor:
        out = net.scalings[index] * torch.nn.functional.linear(net.activation.value(z) if index else z, weights[index])
        return out + z if net.skips and 0 < index < net.n_hidden else out

    def energy(z: list[Tensor]) -> Tensor:
        targets = [*z, y]
        total = sum((targets[i] - layer(i, z[i - 1] if i else x)).square().sum() for i in range(net.n_layers))
        return total / (2 * BATCH)

    def step() -> None:
        z = [x]
        with torch.no_grad():
            for index in range(net.n_hidden):
                z.append(layer(index, z[-1]))
        z = [state.requires_grad_() for state in z[1:]]
        for _ in range(shape.steps):
            for state, gradient in zip(z, torch.autograd.grad(energy(z), z), strict=True):
                state.data.sub_(gradient, alpha=shape.activity_lr)
        optimiser.zero_grad()
        energy([state.detach() for state in z]).backward()
        optimiser.step()

    return step


def in_peer(library: str, python: str, shape: Shape, options: argparse.Namespace) -> float:
    """Seconds of the library's fastest step, in an interpreter of its own on the same cores."""
    net, cores = shape.net, sorted(os.sched_getaffinity(0))
    task = Task(
        shape.parameterisation.value, shape.skips, net.layer_shapes, net.scalings, BATCH, shape.steps,
        shape.activity_lr, WEIGHT_LR, SEED, cores, options.clock, options.repeats,
    )  # fmt: skip
    done = subprocess.run(
        [python, str(Path(peers.__file__)), library],
        input=json.dumps(dataclasses.asdict(task)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"error: {library} in {python} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


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
    outer, last = 2 * BATCH * SIZES.n_inputs * width, 2 * BATCH * SIZES.n_classes * width
    inference = 0.0
    for t in range(shape.steps):
        predictions = min(t, hidden - 1)
        sent_back = min(t, hidden - 1)
        inference += one * (predictions + sent_back) + 2 * last
    reached = min(shape.steps, hidden - 1)
    start = outer + (hidden - 1) * one + last
    learning = 2 * reached * one + 2 * last + (outer if shape.steps >= hidden else 0)
    return start + inference + learning


def implementations(shape: Shape, options: argparse.Namespace, stopwatch: Stopwatch) -> dict[str, Callable[[], float]]:
    """What can be timed here, by name, with what measures its seconds."""

    def engine(graph: bool) -> float:
        return stopwatch.seconds(this_engine(shape, options.members, options.device, graph))

    found: dict[str, Callable[[], float]] = {"deepcredit": lambda: engine(graph=True)}
    if options.members > 1:
        found[f"{options.members} steps of one"] = lambda: stopwatch.seconds(
            repeated(this_engine(shape, 1, options.device, graph=True), options.members)
        )
    if options.device == "cuda":
        found["deepcredit without graph"] = lambda: engine(graph=False)
    found["plain autograd"] = lambda: stopwatch.seconds(plain_autograd(shape, options.device))
    for library in peers.LIBRARIES if options.device == "cpu" else ():
        here = sys.executable if importlib.util.find_spec(library) else None
        if python := getattr(options, library) or here:
            found[library] = lambda library=library, python=python: in_peer(library, python, shape, options)
    return {key: value for key, value in found.items() if not options.only or key in options.only.split(",")}


def report(name: str, options: argparse.Namespace) -> None:
    """Time all implementations at one shape, and print a line for each."""
    shape, stopwatch = SHAPES[name], Stopwatch(options)
    throughput = product_throughput(shape, options.members, options.device, stopwatch)
    print(f"({name}) {shape}\n    batched matrix product: {throughput / 1e9:.1f} GFLOP/s", flush=True)
    reference = None
    for label, seconds in implementations(shape, options, stopwatch).items():
        taken = seconds()
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
