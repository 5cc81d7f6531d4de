r"""Steps of inference on the CPU, compiled: one sweep over the layers does all that a step does to them.

Shapes: H hidden layers, N width, D input, K output, B batch, a multiple of the numbers in a vector register. One
member; arrays are C-ordered with samples last, all of one dtype, and so are the numbers passed along.

A sweep goes up. At every layer it computes the error of the layer above, sends it down, and moves the layer, so that
the weights between two layers are fetched once for both products, and all else is still in the cache when it is needed.
Every layer is moved by errors at the activities before the step. `lowest` is the lowest hidden layer (from 0; H: none)
that has an error; the one below it and all above move.

Numba keeps compiled code on disk, and looks at no other file to see whether it is stale: all of it is in this one.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import llvmlite.binding
import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from deepcredit.nets.names import ActFn

#: activation functions as the sweeps know them
LINEAR, RELU, TANH, SIGMOID = 0, 1, 2, 3
CODES = {ActFn.linear: LINEAR, ActFn.relu: RELU, ActFn.tanh: TANH, ActFn.sigmoid: SIGMOID}


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

    act_fn: int
    skips: bool
    a_in: np.floating
    a_hid: np.floating
    a_out: np.floating
    decay: np.floating  #: activity decay
    zero: np.floating


class Adam(NamedTuple):
    """Numbers of one step of Adam (Kingma & Ba 2015, algorithm 1, its bias corrections in `rate` and `root`)."""

    scale: np.floating  #: 1/B
    rate: np.floating  #: η / (1 − β₁ᵗ)
    root: np.floating  #: 1 / √(1 − β₂ᵗ)
    rest_1: np.floating  #: 1 − β₁
    beta_2: np.floating
    rest_2: np.floating  #: 1 − β₂
    epsilon: np.floating


# --- products -----------------------------------------------------------------------------------------------------
# A tile of the result stays in vector registers while the two factors pass by: a vector of the right factor serves all
# of its rows, a number of the left factor all of its vectors. The left factor, the weights, is taken as it lies in
# memory, transposed or not. Libraries rearrange it for every product, and are slower by a tenth to a third for it.
# Weights that lie far from the core are asked for one tile before they are needed: worth a twelfth at 512 units.

_FEATURES = llvmlite.binding.get_host_cpu_features()
#: bytes of a vector register of this processor
VECTOR = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16
#: vectors that a tile's sums fill, out of 32 registers or 16: so many that each waits for none before it
SUMS = 16 if VECTOR == 64 else 8

#: how LLVM's prefetch is told what for
READ, KEEP, DATA = 0, 3, 1


def lanes(dtype: torch.dtype) -> int:
    """Numbers of this type in a vector register."""
    return VECTOR // dtype.itemsize


def _tile(rows: int, vectors: int) -> Callable[..., None]:
    """A function that computes one tile of a product; addresses and strides are whole numbers, in bytes."""

    @intrinsic
    def tile(_, result, result_row, left, left_row, left_k, right, right_row, n_k, factor):  # type: ignore[no-untyped-def]  # noqa: ARG001
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:  # noqa: ARG001
            _write_tile(builder, rows, vectors, arguments)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 8, factor), generate

    return tile


def _write_tile(builder: ir.IRBuilder, rows: int, vectors: int, arguments: Sequence[ir.Value]) -> None:
    result, result_row, left, left_row, left_k, right, right_row, n_k, factor = arguments
    number, whole = factor.type, n_k.type
    size = 8 if isinstance(number, ir.DoubleType) else 4
    vector = ir.VectorType(number, VECTOR // size)
    name = f"llvm.fmuladd.v{vector.count}f{8 * size}"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
    address, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    prefetch_type = ir.FunctionType(ir.VoidType(), [address, flag, flag, flag])
    prefetch = builder.module.declare_intrinsic("llvm.prefetch", [address], prefetch_type)
    places = [(row, v) for row in range(rows) for v in range(vectors)]

    def pointer(base: ir.Value, stride: ir.Value, row: int, v: int, kind: ir.Type) -> ir.Value:
        start = builder.add(base, builder.mul(stride, whole(row)))
        return builder.inttoptr(builder.add(start, whole(VECTOR * v)), kind.as_pointer())

    def in_all_lanes(value: ir.Value) -> ir.Value:
        one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
        first = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
        return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), first)

    sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * vector.count)) for _ in places]
    # the next tile's part of the left factor is fetched meanwhile: rows that lie one after the other, or columns
    next_left = builder.add(left, builder.mul(left_row, whole(rows)))
    in_rows = builder.icmp_signed("==", left_k, whole(size))
    next_step = builder.select(in_rows, whole(size * rows), left_k)
    # k-th row of the right factor, k-th column of the left one, k-th piece of the next
    row_k, column_k, next_k = (cgutils.alloca_once_value(builder, base) for base in (right, left, next_left))
    with cgutils.for_range(builder, n_k):
        right_k, left_at, next_at = builder.load(row_k), builder.load(column_k), builder.load(next_k)
        builder.call(prefetch, [builder.inttoptr(next_at, address), *map(flag, (READ, KEEP, DATA))])
        across = [builder.load(pointer(right_k, whole(0), 0, v, vector), align=size) for v in range(vectors)]
        down = [in_all_lanes(builder.load(pointer(left_at, left_row, row, 0, number))) for row in range(rows)]
        for total, (row, v) in zip(sums, places, strict=True):
            builder.store(builder.call(fma, [down[row], across[v], builder.load(total)]), total)
        builder.store(builder.add(right_k, right_row), row_k)
        builder.store(builder.add(left_at, left_k), column_k)
        builder.store(builder.add(next_at, next_step), next_k)
    scale = in_all_lanes(factor)
    for total, (row, v) in zip(sums, places, strict=True):
        scaled = builder.fmul(scale, builder.load(total))
        builder.store(scaled, pointer(result, result_row, row, v, vector), align=size)


_TILE_4, _TILE_2, _TILE_1 = (_tile(SUMS // vectors, vectors) for vectors in (4, 2, 1))
_STRIP_4, _STRIP_2, _STRIP_1 = (_tile(1, vectors) for vectors in (4, 2, 1))

_compile = njit(cache=True, nogil=True, error_model="numpy")
_inline = njit(inline="always", error_model="numpy")


@_compile
def multiply(result, left, right, transposed, factor):  # type: ignore[no-untyped-def]
    """result ← factor · left right [n, B], for `left` [n, k], or [k, n] if `transposed`, and `right` [k, B]."""
    n_rows, stride, n_k = len(result), result.strides[0], len(right)
    a, b, c = left.ctypes.data, right.ctypes.data, result.ctypes.data
    row_a, k_a = left.strides
    if transposed:
        row_a, k_a = k_a, row_a
    at = 0
    for vectors in (4, 2, 1):
        rows = SUMS // vectors
        whole = n_rows - n_rows % rows
        while at + vectors * VECTOR <= stride:
            for row in range(0, whole, rows):
                where, from_a = c + row * stride + at, a + row * row_a
                if vectors == 4:
                    _TILE_4(where, stride, from_a, row_a, k_a, b + at, stride, n_k, factor)
                elif vectors == 2:
                    _TILE_2(where, stride, from_a, row_a, k_a, b + at, stride, n_k, factor)
                else:
                    _TILE_1(where, stride, from_a, row_a, k_a, b + at, stride, n_k, factor)
            for row in range(whole, n_rows):
                where, from_a = c + row * stride + at, a + row * row_a
                if vectors == 4:
                    _STRIP_4(where, stride, from_a, row_a, k_a, b + at, stride, n_k, factor)
                elif vectors == 2:
                    _STRIP_2(where, stride, from_a, row_a, k_a, b + at, stride, n_k, factor)
                else:
                    _STRIP_1(where, stride, from_a, row_a, k_a, b + at, stride, n_k, factor)
            at += vectors * VECTOR


# --- activation functions -----------------------------------------------------------------------------------------
# Arithmetic only, so that the compiler computes as many at once as a vector register holds.


@intrinsic
def _power_of_two(_, exponent):  # type: ignore[no-untyped-def]
    """2ⁿ for a whole n of a floating-point type, by its bits."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:  # noqa: ARG001
        kind = arguments[0].type
        bits, bias, fraction = (64, 1023, 52) if isinstance(kind, ir.DoubleType) else (32, 127, 23)
        whole = ir.IntType(bits)
        biased = builder.add(builder.fptosi(arguments[0], whole), whole(bias))
        return builder.bitcast(builder.shl(biased, whole(fraction)), kind)

    return exponent(exponent), generate


def _tanh(x):  # type: ignore[no-untyped-def]
    """The hyperbolic tangent to two units in the last place."""


def _sigmoid(x):  # type: ignore[no-untyped-def]
    """1 / (1 + e⁻ˣ)."""


def _tanh_in(number: type[np.floating], degree: int, largest: float) -> Callable[..., Any]:
    r"""$\tanh|x| = m/(m+2)$ with $m = e^t - 1$, $t = 2|x|$, in one type.

    With $t = n\ln2 + r$, $|r| \le \frac12\ln2$: $m = 2^n(e^r-1) + (2^n-1)$, and $e^r-1$ by its Taylor series up to
    `degree`. From t = `largest` on, the result is 1.
    """
    half, one, two, limit = number(0.5), number(1), number(2), number(largest)
    terms = tuple(number(1 / math.factorial(k)) for k in range(degree, 0, -1))
    per_ln2 = number(1 / math.log(2))
    # n ln2 in two parts, the first of so few bits that the product is exact
    coarse = 0.693359375
    ln2, ln2_rest = number(coarse), number(math.log(2) - coarse)

    def tanh(x):  # type: ignore[no-untyped-def]
        t = abs(x) * two
        if t > limit:
            t = limit
        n = np.floor(t * per_ln2 + half)
        r = (t - n * ln2) - n * ln2_rest
        series = terms[0]
        for term in terms[1:]:
            series = series * r + term
        power = _power_of_two(n)  # type: ignore[call-arg, var-annotated]
        m = power * (series * r) + (power - one)
        return math.copysign(m / (m + two), x)

    return tanh


_TANH_OF = {types.float32: _tanh_in(np.float32, 7, 20.0), types.float64: _tanh_in(np.float64, 13, 44.0)}


@overload(_tanh)
def _(x):  # type: ignore[no-untyped-def]
    return _TANH_OF[x]


@overload(_sigmoid)
def _(x):  # type: ignore[no-untyped-def]
    half = np.dtype(x.name).type(0.5)
    return lambda x: half + half * _tanh(half * x)


@_compile
def _activate(kind, z, phi):  # type: ignore[no-untyped-def]
    """φ(z) of a layer."""
    if kind.act_fn == RELU:
        for i in range(len(z)):
            phi[i] = kind.zero if z[i] <= 0 else z[i]
    elif kind.act_fn == TANH:
        for i in range(len(z)):
            phi[i] = _tanh(z[i])
    elif kind.act_fn == SIGMOID:
        for i in range(len(z)):
            phi[i] = _sigmoid(z[i])


# --- layers -------------------------------------------------------------------------------------------------------


@_compile
def feedforward(weights, layers, kind):  # type: ignore[no-untyped-def]
    """The feed-forward pass: all z, and the output."""
    for layer in range(len(layers.z)):
        _predict(weights, layers, kind, layer)
    multiply(layers.output, weights.w_out, layers.phi[-1], False, kind.a_out)


@_compile
def _predict(weights, layers, kind, layer):  # type: ignore[no-untyped-def]
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
    _activate(kind, z, phi)


@_compile
def find_errors(weights, layers, kind, lowest):  # type: ignore[no-untyped-def]
    """Errors of the output and of the hidden layers from `lowest` up."""
    _find_output_error(weights, layers, kind)
    for layer in range(lowest, len(layers.z)):
        _find_error(weights, layers, kind, layer)


@_compile
def descend(weights, layers, kind, lowest, rate):  # type: ignore[no-untyped-def]
    """A step of gradient descent, z ← z − B rate ∂F/∂z. `rate` is η/B."""
    for layer in range(_begin_sweep(weights, layers, kind, lowest), len(layers.z)):
        z, phi, sent, error, above, joined = _send_down(weights, layers, kind, layer)
        for i in range(len(z)):
            downhill = _downhill(kind, z[i], phi[i], sent[i], error[i], above[i], joined)
            z[i] += rate * downhill
        _activate(kind, z, phi)


@_compile
def descend_by_adam(weights, layers, kind, lowest, adam, first_moment, second_moment):  # type: ignore[no-untyped-def]
    """A step of Adam, whose moments are [H, N, B]."""
    for layer in range(_begin_sweep(weights, layers, kind, lowest), len(layers.z)):
        z, phi, sent, error, above, joined = _send_down(weights, layers, kind, layer)
        first, second = first_moment[layer].reshape(-1), second_moment[layer].reshape(-1)
        for i in range(len(z)):
            gradient = -adam.scale * _downhill(kind, z[i], phi[i], sent[i], error[i], above[i], joined)
            first[i] += adam.rest_1 * (gradient - first[i])
            second[i] = adam.beta_2 * second[i] + adam.rest_2 * (gradient * gradient)
            z[i] -= adam.rate * first[i] / (adam.root * np.sqrt(second[i]) + adam.epsilon)
        _activate(kind, z, phi)


@_compile
def _begin_sweep(weights, layers, kind, lowest):  # type: ignore[no-untyped-def]
    """The output's error, and that of the lowest layer that moves, which is returned."""
    _find_output_error(weights, layers, kind)
    if lowest == 0:
        _find_error(weights, layers, kind, 0)
        return 0
    layers.error[lowest - 1] = 0
    return lowest - 1


@_compile
def _find_output_error(weights, layers, kind):  # type: ignore[no-untyped-def]
    multiply(layers.output_error, weights.w_out, layers.phi[-1], False, kind.a_out)
    error, y = layers.output_error.reshape(-1), layers.y.reshape(-1)
    for i in range(len(y)):
        error[i] = y[i] - error[i]


@_compile
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


@_compile
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


@_inline
def _downhill(kind, z, phi, sent, error, above, joined):  # type: ignore[no-untyped-def]
    """−B ∂F/∂z of one activity."""
    if kind.act_fn == LINEAR:
        pulled = sent
    elif kind.act_fn == RELU:
        pulled = kind.zero if phi <= 0 else sent
    elif kind.act_fn == TANH:
        pulled = sent - sent * phi * phi
    else:
        pulled = sent * (phi - phi * phi)
    return (pulled + above if joined else pulled) - error - kind.decay * z
