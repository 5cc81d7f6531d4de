"""Arrays out of the bytes of a netCDF file.

The bytes are read first, by `Path.read_bytes`: what the machine refuses (a permission, a failing disk) is an `OSError`
then, and whatever is wrong afterwards is wrong with the bytes. HDF5 opens no file, so it takes no lock and meets none.
"""

import io

import h5netcdf  # noqa: F401 - xarray calls it by name, and where it is lacking no file is damaged
import xarray as xr

#: what HDF5 and those who ask it raise for bytes that are no whole file
BROKEN = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


class DamagedError(ValueError):
    """Bytes that are no whole netCDF file."""


def parsed(content: bytes) -> xr.Dataset:
    """The arrays, loaded, with all coordinates and attributes. Raises `DamagedError`."""
    try:
        return xr.load_dataset(io.BytesIO(content), engine="h5netcdf")
    except BROKEN as error:
        raise DamagedError(str(error)) from error
