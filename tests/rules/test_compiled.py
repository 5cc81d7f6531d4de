"""The compiled sweeps of inference: products as exact as their type can be, whatever the shape and the threads.

Expectations: products in a wider type by numpy, and the same inference in one part.
"""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from deepcredit.core.registry import load
from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP
from deepcredit.nets.names import Algorithm, Init, Parameterisation
from deepcredit.rules.predictive_coding.compiled import sweeps
from deepcredit.rules.predictive_coding.compiled.products import lanes, multiply
from deepcredit.rules.predictive_coding.compiled_steps import CompiledSteps
from deepcredit.rules.predictive_coding.engine import Engine, cut
from deepcredit.rules.predictive_coding.options import Inference
from deepcredit.rules.predictive_coding.tensor_steps import TensorSteps
from tests.outside import environment, install

KERNELS = [activation.name for activation in ACTIVATIONS if activation.kernel]

KERNEL = """
from typing import NamedTuple
from brings_kernel.helper import FACTOR

class Triple(NamedTuple):
    @staticmethod
    def value(number):
        factor = number(FACTOR)
        return lambda z: factor * z

    @staticmethod
    def pull_back(number):
        factor = number(FACTOR)
        return lambda sent, z, phi: factor * sent
"""

TRIPLE = """
from deepcredit.nets.activations import Activation

def value(z, out=None):
    import torch
    return torch.mul(z, 3, out=out)

def slope(z, phi):
    return 0 * z + 3

RECORD = Activation(name="triple", value=value, slope=slope, kernel="brings_kernel.kernel:Triple")
"""

#: prints φ of 1 and 2 by the sweeps
TRIPLED = """
import numpy as np
from deepcredit.core.registry import load
from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.rules.predictive_coding.compiled import sweeps

z, phi, one = np.array([1.0, 2.0]), np.empty(2), np.float64(1)
kind = sweeps.Kind(False, False, one, one, one, one)
sweeps.activate(kind, load(ACTIVATIONS["triple"].kernel)(), z, phi)
print(*phi)
"""


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("rows", "inner"), [(1, 1), (10, 128), (16, 5), (37, 19), (64, 784)])
@pytest.mark.parametrize("vectors", [1, 2, 3, 4, 7])
def test_a_product_is_as_exact_as_its_type(
    dtype: torch.dtype, transposed: bool, rows: int, inner: int, vectors: int
) -> None:
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((rows, inner)), rng.standard_normal((inner, vectors * lanes(dtype)))
    of_type = torch.empty(0, dtype=dtype).numpy().dtype
    result = np.full((rows, right.shape[1]), np.nan, of_type)
    a, b = left.astype(of_type), right.astype(of_type)
    multiply(result, np.ascontiguousarray(a.T) if transposed else a, b, transposed, of_type.type(-0.5))
    exact = -0.5 * (a.astype(np.longdouble) @ b.astype(np.longdouble))
    # rounding of a sum: a half unit in the last place of every term and every partial sum
    bound = inner * np.finfo(of_type).eps * (np.abs(a).astype(np.longdouble) @ np.abs(b).astype(np.longdouble))
    assert (np.abs(result - exact) <= bound).all()


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("act_fn", ["linear", "tanh", "relu"])
def test_the_number_of_threads_changes_no_bit_of_inference(act_fn: str, algorithm: Algorithm) -> None:
    net = MLP(30, 24, 3, 10, act_fn, Parameterisation.mupc, skips=True)
    weights = draw_weights(net, Init.standard_gauss, [0])
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(1, 70, 30, generator=rng), torch.randn(1, 70, 10, generator=rng)
    states, before = [], torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        try:
            engine = Engine(net, weights, 70, Inference(5, 0.3, algorithm))
        finally:
            torch.set_num_threads(before)
        engine.infer(x, y)
        states.append(engine.state)
    for state in states[1:]:
        for found, expected in zip(state, states[0], strict=True):
            # errors below the front are nobody's: it has reached all three layers
            assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("n_samples", "unit", "n_parts"), list(itertools.product([1, 15, 64, 100], [8, 16], [1, 2, 5]))
)
def test_samples_are_cut_into_whole_units(n_samples: int, unit: int, n_parts: int) -> None:
    parts = cut(n_samples, unit, n_parts)
    assert [sample for part in parts for sample in part] == list(range(n_samples))
    assert len(parts) == min(n_parts, -(-n_samples // unit))
    assert all(len(part) % unit == 0 for part in parts[:-1])


@pytest.mark.parametrize(
    ("act_fn", "members", "tolerance", "expected"),
    [
        ("tanh", [0], None, CompiledSteps),
        ("tanh", [0], 1e-3, TensorSteps),
        ("tanh", [0, 1], None, TensorSteps),
        ("gelu", [0], None, TensorSteps),
    ],
)
def test_one_member_on_the_cpu_is_compiled_where_there_is_a_kernel_unless_its_gradient_is_watched(
    act_fn: str, members: list[int], tolerance: float | None, expected: type
) -> None:
    net = MLP(6, 5, 2, 3, act_fn)
    engine = Engine(net, draw_weights(net, Init.standard, members), 4, Inference(2, 0.1, tolerance=tolerance))
    assert [type(part) for part in engine._parts] == [expected]


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("act_fn", KERNELS)
def test_compiled_steps_are_those_of_torch(act_fn: str, algorithm: Algorithm) -> None:
    net = MLP(30, 24, 3, 10, act_fn, Parameterisation.mupc, skips=True)
    weights = draw_weights(net, Init.standard_gauss, [0], dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    x, y = (torch.randn(1, 20, n, dtype=torch.float64, generator=rng) for n in (30, 10))
    compiled, by_torch = (Engine(net, weights, 20, Inference(5, 0.3, algorithm, 0.1)) for _ in range(2))
    by_torch._parts = [TensorSteps(net, weights, 20, by_torch.options)]
    for engine in (compiled, by_torch):
        engine.infer(x, y)
    for found, expected in zip(compiled.state, by_torch.state, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


def test_compiled_code_is_stale_where_a_file_beside_a_kernel_has_changed(tmp_path: Path) -> None:
    """Two processes, between them an edit: the second must not run what the first compiled."""
    modules = {"helper": "FACTOR = 3.0\n", "kernel": KERNEL, "triple": TRIPLE}
    install(tmp_path, "brings_kernel", modules, {"deepcredit.activations": {"triple": "brings_kernel.triple:RECORD"}})

    def found() -> list[float]:
        place = {**environment(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run([sys.executable, "-c", TRIPLED], env=place, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [float(number) for number in done.stdout.split()]

    assert found() == [3.0, 6.0]
    assert len(list((tmp_path / "cache").rglob("*.nbc"))) == 1
    (tmp_path / "brings_kernel" / "helper.py").write_text("FACTOR = 4.0\n")
    assert found() == [4.0, 8.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("act_fn", "exact"), [("tanh", np.tanh), ("sigmoid", lambda z: 1 / (1 + np.exp(-z)))])
def test_activation_functions_are_right_to_the_last_places(dtype: type[np.floating], act_fn: str, exact) -> None:
    rng = np.random.default_rng(2)
    special = [0.0, -0.0, 1e-30, 0.3466, -0.3466, 7.9, 20.0, -50.0, 1e30, np.inf, -np.inf]
    z = np.concatenate([rng.normal(size=5000), 10 * rng.normal(size=1000), special]).astype(dtype)
    phi, number = np.empty_like(z), dtype
    kind = sweeps.Kind(False, False, number(1), number(1), number(1), decay=number(0))
    sweeps.activate(kind, load(ACTIVATIONS[act_fn].kernel)(), z, phi)
    with np.errstate(over="ignore"):
        expected = exact(z.astype(np.longdouble))
    # relative for tanh; the sigmoid is ½ + ½ tanh, so its smallest values are as exact as ½ is
    scale = np.abs(expected) if act_fn == "tanh" else np.maximum(expected, 0.5)
    assert (np.abs(phi - expected) <= 2.5 * np.finfo(dtype).eps * scale).all()
    assert np.signbit(phi[z == 0]).tolist() == ([False, True] if act_fn == "tanh" else [False, False])


@pytest.mark.parametrize("act_fn", ACTIVATIONS.names)
def test_what_is_not_a_number_stays_so(act_fn: str) -> None:
    """A run that has diverged must not look as if it had not."""
    net = MLP(6, 5, 2, 3, act_fn)
    weights = draw_weights(net, Init.standard, [0])
    weights.w_in[0, 0, 0] = torch.nan
    engine = Engine(net, weights, 4, Inference(3, 0.1))
    engine.infer(torch.ones(1, 4, 6), torch.ones(1, 4, 3))
    assert engine.prediction.isnan().all()
