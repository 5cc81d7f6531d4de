"""Array files are read as xarray reads them, whatever is in them.

Expectations: xarray's own reading by its engine h5netcdf, on synthetic datasets of every kind and on built arrays.
"""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from deepcredit.store.netcdf import DamagedError, parsed
from tests.clones import Clone

VALUES: dict[str, Any] = {
    "floats": np.array([[0.5, np.nan, -0.0], [np.inf, -np.inf, 1e-300]]),
    "single": np.arange(6, dtype="f4").reshape(2, 3),
    "half": np.arange(6, dtype="f2").reshape(2, 3),
    "whole": np.arange(6).reshape(2, 3),
    "bytes": np.arange(6, dtype="u1").reshape(2, 3),
    "big-endian": np.arange(6, dtype=">i4").reshape(2, 3),
    "truth": np.array([[True, False, True], [False, False, True]]),
    "texts": np.array([["", "tanh", "μ"], ["a b", "{x}", "ReLU"]]),
    "empty texts": np.full((2, 3), ""),
    "objects": np.array([["", "tanh", "μ"], ["a b", "{x}", "ReLU"]], dtype=object),
    "times": np.array(["2026-01-01", "2026-01-02T03"] * 3, dtype="M8[ns]").reshape(2, 3),
}


def compare(content: bytes) -> None:
    """Everything of a dataset but how it was stored; the order of variables is that of a table's columns."""
    found, expected = parsed(content), xr.load_dataset(content, engine="h5netcdf")
    assert found.identical(expected)
    assert list(found.variables) == list(expected.variables)
    assert list(found.coords) == list(expected.coords)
    assert dict(found.sizes) == dict(expected.sizes)
    for name, variable in expected.variables.items():
        same = found.variables[name]
        assert (same.dtype, same.dims, list(same.attrs)) == (variable.dtype, variable.dims, list(variable.attrs))
        if variable.dtype.kind != "O":
            assert same.values.tobytes() == variable.values.tobytes()


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_values_of_every_type_are_read_as_xarray_reads_them(values: np.ndarray) -> None:
    coords = {
        "layer": [1, 2],
        "act_fn": ["tanh", "relu", "é"],
        "width": 3,
        "init": "standard",
        "lr": ("layer", [1.0, 2]),
    }
    dataset = xr.Dataset({"x": (("layer", "act_fn"), values), "first": ("layer", values[:, 0])}, coords)
    compare(dataset.to_netcdf(engine="h5netcdf"))


def test_scalars_missing_coordinates_and_dimensions_of_no_length_are_read() -> None:
    dataset = xr.Dataset({"b": ("z", [1.0, 2.0]), "a": ((), 3), "t": ((), "text"), "none": ("y", np.zeros(0))})
    compare(dataset.assign_coords(z=["first", "second"], y=np.zeros(0, "i8")).to_netcdf(engine="h5netcdf"))
    compare(dataset.to_netcdf(engine="h5netcdf"))
    compare(xr.Dataset().to_netcdf(engine="h5netcdf"))


def test_compressed_values_are_read() -> None:
    dataset = xr.Dataset({"x": ("step", np.arange(1e5))})
    compare(dataset.to_netcdf(engine="h5netcdf", encoding={"x": {"zlib": True, "complevel": 4, "shuffle": True}}))


def test_attributes_of_every_type_are_read() -> None:
    attributes = {"text": "µ", "nothing": "", "n": 3, "x": 0.5, "ns": [1, 2], "one": [1], "words": ["a", "b"]}
    dataset = xr.Dataset({"x": ("step", [1.0], attributes)}, attrs={**attributes, "word": ["a"]})
    compare(dataset.to_netcdf(engine="h5netcdf"))


def test_every_array_of_a_build_is_read_as_xarray_reads_it(built_project: Clone) -> None:
    contents = built_project.arrays().values()
    assert contents
    for content in contents:
        compare(content)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_bytes_that_are_no_whole_file_are_damaged(share: float) -> None:
    content = bytes(xr.Dataset({"x": ("step", np.arange(1000.0))}).to_netcdf(engine="h5netcdf"))
    with pytest.raises(DamagedError):
        parsed(content[: int(share * len(content))])
