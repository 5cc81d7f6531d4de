"""Saxe's closed form against its differential equation, and against simulated descent."""

import numpy as np
import pytest

from deepcredit.theory.linear_regression import least_squares
from deepcredit.theory.mode_curves import half_height, initial_amplitude, mode_curve, rate


def test_curve_solves_the_equation_of_a_mode():
    """da/dt = 2 r a (1 − a/s) with a(0) = a_0."""
    s, start, r = 3.0, 1e-3, 0.2
    t = np.linspace(0, 60, 60001)
    curve = mode_curve(s, start, r, t)
    assert curve[0] == pytest.approx(start)
    slope = np.gradient(curve, t)[1:-1]
    np.testing.assert_allclose(slope, (2 * r * curve * (1 - curve / s))[1:-1], rtol=1e-4, atol=1e-9)


def test_half_height_is_where_the_curve_is_half():
    s, start, r = np.array([3.0, 1.0]), np.array([1e-3, 1e-12]), np.array([0.2, 0.1])
    np.testing.assert_allclose(mode_curve(s, start, r, half_height(s, start, r)), s / 2)


def test_a_mode_that_begins_above_its_strength_falls_to_it():
    curve = mode_curve(1.0, 4.0, 0.1, np.arange(100))
    assert (np.diff(curve) < 0).all()
    assert curve[-1] == pytest.approx(1.0)


def test_rate_is_the_growth_of_small_weights_in_descent():
    """a ← a + η s b, b ← b + η s a, with a = b: a step multiplies by 1 + η s, with η = 2 lr / n."""
    lr, n, s = 3.0, 40, 2.5
    assert np.exp(rate(np.array(s), np.array(lr), n)) == pytest.approx(1 + 2 * lr / n * s)


def test_curve_predicts_descent_on_one_mode():
    """Scalars a b → s from small, unequal values; half-height within 1 %, the end exactly."""
    eta, s, a, b = 0.01, 2.0, 3e-6, -1e-6
    start = initial_amplitude(np.array([[a]]), np.array([[b]]), np.eye(1), np.eye(1))[0] ** 2
    products = []
    for _ in range(1500):
        a, b = a + eta * b * (s - a * b), b + eta * a * (s - a * b)
        products.append(a * b)
    half = np.interp(s / 2, products, np.arange(1, 1501))
    r = np.log1p(eta * s)
    assert half == pytest.approx(half_height(s, start, r), rel=0.01)
    assert products[-1] == pytest.approx(mode_curve(s, start, r, 1500), rel=1e-6)


def test_initial_amplitude_is_half_the_sum_of_what_both_layers_hold_of_a_mode():
    random = np.random.RandomState(0)
    w_in, w_out, left, right = (random.randn(*shape) for shape in ((4, 3), (5, 4), (5, 2), (3, 2)))
    expected = [np.linalg.norm(w_in @ right[:, k] + w_out.T @ left[:, k]) / 2 for k in range(2)]
    np.testing.assert_allclose(initial_amplitude(w_in, w_out, left, right), expected)


def test_least_squares_agrees_with_lapack():
    random = np.random.RandomState(0)
    x, y = random.randn(3, 20), random.randn(4, 20)
    np.testing.assert_allclose(least_squares(x, y), np.linalg.lstsq(x.T, y.T, rcond=None)[0].T)
