"""Float32 products by the faster library: as exact as any, and nothing left behind."""

import pytest
import torch

from deepcredit.rules.products import fast_products, keeps_float32

SETTING = torch.backends.mkldnn.matmul


@pytest.mark.parametrize("width", [16, 128, 300, 512])
def test_fast_products_are_as_exact_as_float32_can_be(width: int) -> None:
    rng = torch.Generator().manual_seed(1)
    a, b = torch.randn(3, 64, width, generator=rng), torch.randn(3, width, width, generator=rng)
    exact = a.double() @ b.double()
    with fast_products():
        error = (torch.bmm(a, b) - exact).abs().max()
    # rounding of a sum of `width` products: at most width · 2⁻²⁴ of their absolute sum, where bfloat16 has 2⁻⁸
    bound = width * 2**-24 * (a.double().abs() @ b.double().abs()).max()
    assert error <= bound


def test_the_setting_is_what_it_was_before() -> None:
    before = SETTING.fp32_precision
    with fast_products():
        inside = SETTING.fp32_precision
        assert inside == ("bf16" if keeps_float32() else before)
    assert SETTING.fp32_precision == before


def test_the_setting_survives_an_error() -> None:
    before = SETTING.fp32_precision
    with pytest.raises(KeyError), fast_products():
        raise KeyError
    assert SETTING.fp32_precision == before
