r"""Sweeps over the layers: the compiled steps of inference.

Shapes: H hidden layers, N width, D input, K output, B batch; see the package's own text for how arrays lie.

A sweep goes up. At every layer it computes the error of the layer above, sends it down, and moves the layer, so that
the weights between two layers are fetched once for both products, and all else is still in the cache when it is needed.
Every layer is moved by errors at the activities before the step. `lowest` is the lowest hidden layer (from 0; H: none)
that has an error; the one below it and all above move. `kernel` is that of the activation function.
"""

from typing import NamedTuple

import numpy as np

from deepcredit.nets.compiled import inline, pull_back, value
from deepcredit.rules.predictive_coding.compiled.caching import compiled
from deepcredit.rules.predictive_coding.compiled.products import multiply


class Weights(NamedTuple):
    """Unscaled weights."""

    w_in: np.ndarray  #: [N, D]
    w_hid: np.ndarray  #: [H-1, N, N]
    w_out: np.ndarray  #: [K, N]


class Layers(NamedTuple):
    """Buffers."""

    x: np.ndarray  #: [D, B]
    y: np.ndarray  #: [K, B]
    z: np.ndarray  #: activities, [H, N, B]
    phi: np.ndarray  #: φ(z), [H, N, B]; a linear network's is `z`
    first: np.ndarray  #: prediction of the first layer, [N, B]
    error: np.ndarray  #: [H, N, B]
    sent: np.ndarray  #: a Wᵀ e, on its way to the layer below, [N, B]
    output: np.ndarray  #: ŷ of the feed-forward pass, [K, B]
    output_error: np.ndarray  #: [K, B]


class Kind(NamedTuple):
    """What does not change from step to step."""

    linear: bool  #: φ is z, and one array with it
    skips: bool
    a_in: np.floating
    a_hid: np.floating
    a_out: np.floating
    decay: np.floating  #: activity decay


class Adam(NamedTuple):
    """Numbers of one step of Adam (Kingma & Ba 2015, algorithm 1, its bias corrections in `rate` and `root`)."""

    scale: np.floating  #: 1/B
    rate: np.floating  #: η / (1 − β₁ᵗ)
    root: np.floating  #: 1 / √(1 − β₂ᵗ)
    rest_1: np.floating  #: 1 − β₁
    beta_2: np.floating
    rest_2: np.floating  #: 1 − β₂
    epsilon: np.floating


@compiled
def activate(kind, kernel, z, phi):  # type: ignore[no-untyped-def]
    """φ(z) of a layer."""
    if not kind.linear:
        for i in range(len(z)):
            phi[i] = value(kernel, z[i])


@compiled
def feedforward(weights, layers, kind, kernel):  # type: ignore[no-untyped-def]
    """The feed-forward pass: all z, and the output."""
    for layer in range(len(layers.z)):
        _predict(weights, layers, kind, kernel, layer)
    multiply(layers.output, weights.w_out, layers.phi[-1], False, kind.a_out)


@compiled
def _predict(weights, layers, kind, kernel, layer):  # type: ignore[no-untyped-def]
    """Feed-forward z and φ(z) of one hidden layer from the one below."""
    z, phi = layers.z[layer].reshape(-1), layers.phi[layer].reshape(-1)
    if layer == 0:
        multiply(layers.first, weights.w_in, layers.x, False, kind.a_in)
        predicted = layers.first.reshape(-1)
    else:
        multiply(layers.sent, weights.w_hid[layer - 1], layers.phi[layer - 1], False, kind.a_hid)
        predicted = layers.sent.reshape(-1)
    if kind.skips and layer > 0:
        below = layers.z[layer - 1].reshape(-1)
        for i in range(len(z)):
            z[i] = predicted[i] + below[i]
    else:
        for i in range(len(z)):
            z[i] = predicted[i]
    activate(kind, kernel, z, phi)


@compiled
def find_errors(weights, layers, kind, lowest):  # type: ignore[no-untyped-def]
    """Errors of the output and of the hidden layers from `lowest` up."""
    _find_output_error(weights, layers, kind)
    for layer in range(lowest, len(layers.z)):
        _find_error(weights, layers, kind, layer)


@compiled
def descend(weights, layers, kind, kernel, lowest, rate):  # type: ignore[no-untyped-def]
    """A step of gradient descent, z ← z − B rate ∂F/∂z. `rate` is η/B."""
    for layer in range(_begin_sweep(weights, layers, kind, lowest), len(layers.z)):
        z, phi, sent, error, above, joined = _send_down(weights, layers, kind, layer)
        for i in range(len(z)):
            downhill = _downhill(kind, kernel, z[i], phi[i], sent[i], error[i], above[i], joined)
            z[i] += rate * downhill
        activate(kind, kernel, z, phi)


@compiled
def descend_by_adam(weights, layers, kind, kernel, lowest, adam, first_moment, second_moment):  # type: ignore[no-untyped-def]
    """A step of Adam, whose moments are [H, N, B]."""
    for layer in range(_begin_sweep(weights, layers, kind, lowest), len(layers.z)):
        z, phi, sent, error, above, joined = _send_down(weights, layers, kind, layer)
        first, second = first_moment[layer].reshape(-1), second_moment[layer].reshape(-1)
        for i in range(len(z)):
            gradient = -adam.scale * _downhill(kind, kernel, z[i], phi[i], sent[i], error[i], above[i], joined)
            first[i] += adam.rest_1 * (gradient - first[i])
            second[i] = adam.beta_2 * second[i] + adam.rest_2 * (gradient * gradient)
            z[i] -= adam.rate * first[i] / (adam.root * np.sqrt(second[i]) + adam.epsilon)
        activate(kind, kernel, z, phi)


@compiled
def _begin_sweep(weights, layers, kind, lowest):  # type: ignore[no-untyped-def]
    """The output's error, and that of the lowest layer that moves, which is returned."""
    _find_output_error(weights, layers, kind)
    if lowest == 0:
        _find_error(weights, layers, kind, 0)
        return 0
    layers.error[lowest - 1] = 0
    return lowest - 1


@compiled
def _find_output_error(weights, layers, kind):  # type: ignore[no-untyped-def]
    multiply(layers.output_error, weights.w_out, layers.phi[-1], False, kind.a_out)
    error, y = layers.output_error.reshape(-1), layers.y.reshape(-1)
    for i in range(len(y)):
        error[i] = y[i] - error[i]


@compiled
def _find_error(weights, layers, kind, layer):  # type: ignore[no-untyped-def]
    """e = z − ẑ of one hidden layer."""
    z, error = layers.z[layer].reshape(-1), layers.error[layer].reshape(-1)
    if layer == 0:
        first = layers.first.reshape(-1)
        for i in range(len(z)):
            error[i] = z[i] - first[i]
        return
    multiply(layers.error[layer], weights.w_hid[layer - 1], layers.phi[layer - 1], False, kind.a_hid)
    if kind.skips:
        below = layers.z[layer - 1].reshape(-1)
        for i in range(len(z)):
            error[i] = z[i] - error[i] - below[i]
    else:
        for i in range(len(z)):
            error[i] = z[i] - error[i]


@compiled
def _send_down(weights, layers, kind, layer):  # type: ignore[no-untyped-def]
    """Find the error above a layer and send it down; all that moves the layer, as [N B].

    That is z, φ, a Wᵀ e of the layer above, its own error, and the error above, which skips add if the last is true.
    """
    top = layer == len(layers.z) - 1
    if top:
        multiply(layers.sent, weights.w_out, layers.output_error, True, kind.a_out)
    else:
        _find_error(weights, layers, kind, layer + 1)
        multiply(layers.sent, weights.w_hid[layer], layers.error[layer + 1], True, kind.a_hid)
    above = layer if top else layer + 1
    return (
        layers.z[layer].reshape(-1),
        layers.phi[layer].reshape(-1),
        layers.sent.reshape(-1),
        layers.error[layer].reshape(-1),
        layers.error[above].reshape(-1),
        kind.skips and not top,
    )


@inline
def _downhill(kind, kernel, z, phi, sent, error, above, joined):  # type: ignore[no-untyped-def]
    """−B ∂F/∂z of one activity."""
    pulled = pull_back(kernel, sent, z, phi)
    return (pulled + above if joined else pulled) - error - kind.decay * z
