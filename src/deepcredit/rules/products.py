"""Float32 matrix products on the CPU by the faster of the two libraries that torch brings.

Inference brings products of its own (`deepcredit.rules.predictive_coding.compiled`); these are all others.

Torch multiplies float32 matrices with MKL, which uses half the width of the vector units of processors that are not
Intel's. oneDNN uses all of it, and torch hands it float32 products where bfloat16 is allowed inside them. oneDNN takes
that permission only where the processor has matrix units for bfloat16 (AMX). So the permission is given where a product
shows that it is not taken, and numbers stay float32 everywhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

#: the largest relative error of a float32 product is near 1e-7, that of a bfloat16 product near 1e-3
_FLOAT32 = 1e-6
_MATMUL = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]


@contextmanager
def fast_products() -> Iterator[None]:
    """Within this context, float32 products on the CPU are oneDNN's if they are products in float32."""
    before = _MATMUL.fp32_precision
    try:
        if keeps_float32():
            _MATMUL.fp32_precision = "bf16"
        yield
    finally:
        _MATMUL.fp32_precision = before


@cache
def keeps_float32() -> bool:
    """Whether products are as exact as float32 can be although bfloat16 is allowed in them."""
    if not torch.backends.mkldnn.is_available():
        return False
    before = _MATMUL.fp32_precision
    try:
        _MATMUL.fp32_precision = "bf16"
        return all(_relative_error(width) < _FLOAT32 for width in (128, 512))
    finally:
        _MATMUL.fp32_precision = before


def _relative_error(width: int) -> float:
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 64, width, generator=rng), torch.randn(2, width, width, generator=rng)
    exact = torch.bmm(a.double(), b.double())
    return ((torch.bmm(a, b) - exact).norm() / exact.norm()).item()
