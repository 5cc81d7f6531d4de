"""Arrays out of the bytes of a netCDF file.

The bytes are read first, by `Path.read_bytes`: what the machine refuses (a permission, a failing disk) is an `OSError`
then, and whatever is wrong afterwards is wrong with the bytes. HDF5 opens no file, so it takes no lock and meets none.

xarray's own way, h5netcdf, looks every dimension up again for every variable and takes nine times as long. Here h5py
says what is stored and xarray's conventions decode it, to the same datasets.
"""

from typing import Any

import h5py
import numpy as np
import xarray as xr
from xarray.conventions import decode_cf_variables

#: what HDF5 and those who ask it raise for bytes that are no whole file
BROKEN = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)

#: attributes in which netCDF-4 keeps its dimensions and its version
HIDDEN = frozenset(
    ("CLASS", "DIMENSION_LIST", "NAME", "REFERENCE_LIST", "_NCProperties", "_Netcdf4Coordinates", "_Netcdf4Dimid")
)

#: how netCDF-4 names the scale of a dimension that has no coordinates
NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"


class DamagedError(ValueError):
    """Bytes that are no whole netCDF file."""


def parsed(content: bytes) -> xr.Dataset:
    """The arrays, loaded, with all coordinates and attributes. Raises `DamagedError`."""
    if not content:  # which h5py takes for a wish for a new file
        raise DamagedError("there are no bytes")
    try:
        with h5py.File.in_memory(content) as file:
            return _dataset(file)
    except BROKEN as error:
        raise DamagedError(str(error)) from error


def _dataset(file: h5py.File) -> xr.Dataset:
    stored = {name: _variable(found) for name, found in file.items() if not _is_only_dimension(found)}
    variables, attributes, coordinates = decode_cf_variables(stored, _attributes(file))
    return xr.Dataset(variables, attrs=attributes).set_coords(coordinates).load()


def _is_only_dimension(stored: h5py.Dataset) -> bool:
    return bytes(stored.attrs.get("NAME", b"")).startswith(NO_VARIABLE)


def _variable(stored: h5py.Dataset) -> xr.Variable:
    is_text = h5py.check_string_dtype(stored.dtype) is not None
    values = np.asarray(stored.asstr()[()], dtype=object).astype(str) if is_text else stored[()]
    return xr.Variable(_dimensions(stored), values, _attributes(stored))


def _dimensions(stored: h5py.Dataset) -> list[str]:
    """Names of the dimensions: those of the scales that it refers to, or its own where it is one."""
    if "DIMENSION_LIST" not in stored.attrs:
        return [_name(stored.name.encode())] * stored.ndim
    return [_name(h5py.h5r.get_name(scale, stored.id)) for (scale,) in stored.attrs["DIMENSION_LIST"]]


def _name(path: bytes) -> str:
    return path.decode().removeprefix("/")


def _attributes(of: h5py.HLObject) -> dict[str, Any]:
    return {name: _attribute(of.attrs[name]) for name in of.attrs if name not in HIDDEN}


def _attribute(value: Any) -> Any:
    """As xarray shows it: of several texts a list, of one item the item."""
    if isinstance(value, h5py.Empty):
        return value.dtype.type()
    if np.ndim(value) == 0:
        return value
    items = value.tolist() if value.dtype.kind == "O" else value
    return items[0] if len(items) == 1 else items
