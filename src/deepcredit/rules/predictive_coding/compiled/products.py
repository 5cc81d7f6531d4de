"""Products of matrices in compiled steps of inference.

A tile of the result stays in vector registers while the two factors pass by: a vector of the right factor serves all
of its rows, a number of the left factor all of its vectors. The left factor, the weights, is taken as it lies in
memory, transposed or not. Libraries rearrange it for every product, and are slower by a tenth to a third for it.
Weights that lie far from the core are asked for one tile before they are needed: worth a twelfth at 512 units.
"""

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding
import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from deepcredit.rules.predictive_coding.compiled.caching import compiled

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


@compiled
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
