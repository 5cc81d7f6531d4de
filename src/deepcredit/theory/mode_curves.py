r"""Closed form of how a deep linear network learns the singular values of its targets, one after the other.

Source: Saxe, McClelland & Ganguli 2013, *Exact solutions to the nonlinear dynamics of learning in deep linear neural
networks*, the solution from small, decoupled weights:

    a(t) = s e^{2rt} / (e^{2rt} − 1 + s/a_0),

the strength at step t of a mode with singular value s that begins at a_0. Gradient flow has the rate r = η s. Small
weights in gradient descent grow by the factor 1 + η s a step instead, hence r = ln(1 + η s). Half of s is reached at
t = ln(s/a_0 − 1) / 2r.
"""

import numpy as np


def rate(singular_value: np.ndarray, lr: np.ndarray, n_entries: int) -> np.ndarray:
    """r per step, for the learning rate `lr` on a loss that is the mean over `n_entries` entries (so η = 2·lr/n)."""
    return np.log1p(2 * lr * singular_value / n_entries)


def initial_amplitude(w_in: np.ndarray, w_out: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """½‖W_1 v + W_2ᵀ u‖ of every mode, for W_1 [N,P], W_2 [K,N] and singular vectors u [K,modes], v [P,modes].

    W_1 v and W_2ᵀ u approach each other: their half sum grows and their half difference decays. The square of what is
    returned is the strength a_0 from which the mode grows.
    """
    return np.linalg.norm(w_in @ right + w_out.T @ left, axis=0) / 2


def mode_curve(singular_value: np.ndarray, start: np.ndarray, rate: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Strength a(t) after `step` updates of a mode that begins at `start` = a_0; the arguments broadcast."""
    return singular_value / (1 + (singular_value / start - 1) * np.exp(-2 * rate * step))


def half_height(singular_value: np.ndarray, start: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Number of updates until a mode that begins at `start` < s/2 has reached half of its singular value."""
    return np.log(singular_value / start - 1) / (2 * rate)
