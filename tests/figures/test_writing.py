"""Tables, families of colours and written numbers, as all figures have them."""

import numpy as np
import pytest
import xarray as xr

from deepcredit.figures.drawing import family
from deepcredit.figures.numbers import compact, number, power_of_ten
from deepcredit.figures.tables import in_panel, tidy, told_apart

VALUES = xr.DataArray(
    [[1.0, 2.0], [3.0, 4.0]], dims=("mode", "epoch"), coords={"mode": [1, 2], "epoch": [0, 5], "seed": 7}
)


def test_a_table_has_a_row_for_every_value_and_no_column_for_what_is_the_same_in_all() -> None:
    table = tidy(VALUES, "height", panel="a")
    assert table.to_dict("list") == {
        "mode": [1, 1, 2, 2],
        "epoch": [0, 5, 0, 5],
        "height": [1, 2, 3, 4],
        "panel": ["a"] * 4,
    }
    assert list(in_panel("a", VALUES, "height")) == ["panel", "quantity", "mode", "epoch", "value"]


def test_arrays_below_one_another_are_told_apart() -> None:
    table = told_apart({"all": VALUES, "mean": VALUES.mean("mode")}, "statistic")
    assert table.statistic.tolist() == ["all"] * 4 + ["mean"] * 2
    assert table[table.statistic == "mean"].value.tolist() == [2, 3]
    assert table[table.statistic == "mean"]["mode"].isna().all()


def test_a_family_has_a_colour_for_each_value_dark_first() -> None:
    colors = family([8, 32, 128])
    assert list(colors) == [8, 32, 128]
    brightness = [sum(color[:3]) for color in colors.values()]
    assert brightness == sorted(brightness)
    assert family([8])[8] == colors[8]
    assert family([]) == {}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (number(0.05), "0.05"),
        (number(-1.25, ".1f"), "−1.2"),
        (number(np.inf), "–"),
        (number(np.nan, ".2f"), "–"),
        (power_of_ten(1e-12), "10^{-12}"),
        (compact(0), "0"),
        (compact(-12.345), "−12.3"),
        (compact(999), "999"),
        (compact(23456.0), r"$2\cdot10^{4}$"),
        (compact(0.00312), r"$3\cdot10^{-3}$"),
    ],
)
def test_numbers_are_written_for_readers(written: str, expected: str) -> None:
    assert written == expected
