"""The compiled sweeps of inference: products as exact as their type can be, whatever the shape and the threads.

Expectations: products in a wider type by numpy, and the same inference in one part.
"""

import itertools

import numpy as np
import pytest
import torch

from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP
from deepcredit.nets.names import ActFn, Algorithm, Init, Parameterisation
from deepcredit.rules.predictive_coding import compiled
from deepcredit.rules.predictive_coding.compiled_steps import CompiledSteps
from deepcredit.rules.predictive_coding.engine import Engine, cut
from deepcredit.rules.predictive_coding.options import Inference


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("rows", "inner"), [(1, 1), (10, 128), (16, 5), (37, 19), (64, 784)])
@pytest.mark.parametrize("vectors", [1, 2, 3, 4, 7])
def test_a_product_is_as_exact_as_its_type(
    dtype: torch.dtype, transposed: bool, rows: int, inner: int, vectors: int
) -> None:
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((rows, inner)), rng.standard_normal((inner, vectors * compiled.lanes(dtype)))
    of_type = torch.empty(0, dtype=dtype).numpy().dtype
    result = np.full((rows, right.shape[1]), np.nan, of_type)
    a, b = left.astype(of_type), right.astype(of_type)
    compiled.multiply(result, np.ascontiguousarray(a.T) if transposed else a, b, transposed, of_type.type(-0.5))
    exact = -0.5 * (a.astype(np.longdouble) @ b.astype(np.longdouble))
    # rounding of a sum: a half unit in the last place of every term and every partial sum
    bound = inner * np.finfo(of_type).eps * (np.abs(a).astype(np.longdouble) @ np.abs(b).astype(np.longdouble))
    assert (np.abs(result - exact) <= bound).all()


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("act_fn", [ActFn.linear, ActFn.tanh, ActFn.relu])
def test_the_number_of_threads_changes_no_bit_of_inference(act_fn: ActFn, algorithm: Algorithm) -> None:
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


def test_one_member_on_the_cpu_is_compiled_unless_its_gradient_is_watched() -> None:
    net = MLP(6, 5, 2, 3)
    for members, tolerance, expected in (([0], None, True), ([0], 1e-3, False), ([0, 1], None, False)):
        engine = Engine(net, draw_weights(net, Init.standard, members), 4, Inference(2, 0.1, tolerance=tolerance))
        assert isinstance(engine._parts[0], CompiledSteps) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("act_fn", "exact"), [(ActFn.tanh, np.tanh), (ActFn.sigmoid, lambda z: 1 / (1 + np.exp(-z)))])
def test_activation_functions_are_right_to_the_last_places(dtype: type[np.floating], act_fn: ActFn, exact) -> None:
    rng = np.random.default_rng(2)
    special = [0.0, -0.0, 1e-30, 0.3466, -0.3466, 7.9, 20.0, -50.0, 1e30, np.inf, -np.inf]
    z = np.concatenate([rng.normal(size=5000), 10 * rng.normal(size=1000), special]).astype(dtype)
    phi, number = np.empty_like(z), dtype
    kind = compiled.Kind(
        compiled.CODES[act_fn], False, number(1), number(1), number(1), decay=number(0), zero=number(0)
    )
    compiled._activate(kind, z, phi)
    with np.errstate(over="ignore"):
        expected = exact(z.astype(np.longdouble))
    # relative for tanh; the sigmoid is ½ + ½ tanh, so its smallest values are as exact as ½ is
    scale = np.abs(expected) if act_fn is ActFn.tanh else np.maximum(expected, 0.5)
    assert (np.abs(phi - expected) <= 2.5 * np.finfo(dtype).eps * scale).all()
    assert np.signbit(phi[z == 0]).tolist() == ([False, True] if act_fn is ActFn.tanh else [False, False])


@pytest.mark.parametrize("act_fn", [ActFn.linear, ActFn.tanh, ActFn.relu, ActFn.sigmoid])
def test_what_is_not_a_number_stays_so(act_fn: ActFn) -> None:
    """A run that has diverged must not look as if it had not."""
    net = MLP(6, 5, 2, 3, act_fn)
    weights = draw_weights(net, Init.standard, [0])
    weights.w_in[0, 0, 0] = torch.nan
    engine = Engine(net, weights, 4, Inference(3, 0.1))
    engine.infer(torch.ones(1, 4, 6), torch.ones(1, 4, 3))
    assert engine.prediction.isnan().all()
