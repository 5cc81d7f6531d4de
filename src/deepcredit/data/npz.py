"""A user's own images in one `.npz` file, as `numpy.savez` writes it. Imports no torch.

`x_train` and `x_test` are images, [n, D] or [n, height, width]; `y_train` and `y_test` their classes, [n], whole
numbers 0 … K − 1, each of them at least once in `y_train`. Images of bytes (uint8) are divided by 255, others (floats)
are taken as they are; nothing else is done to them.
"""

import functools
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from deepcredit.core.errors import UserError, check
from deepcredit.core.files import checksum
from deepcredit.data.datasets import Content
from deepcredit.data.samples import Arrays

ARRAYS = ("x_train", "y_train", "x_test", "y_test")

#: what reading a file that is no whole archive of arrays raises
BROKEN = (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError)


@dataclass(frozen=True)
class Header:
    """What an array's header says."""

    shape: tuple[int, ...]
    dtype: np.dtype


def measure(path: Path) -> Content:
    """Sizes and SHA-256 of a file; reads its labels, and of its images the headers alone.

    Raises a `UserError` in one line for a file that is not there, is no `.npz` file or lacks an array, and for an array
    of a wrong shape or type, or labels that are no classes.
    """
    check(path.is_file(), "data.path", str(path), "a .npz file that is there")
    status = path.stat()
    return _measure(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=8)
def _measure(path: Path, _modified: int, _size: int) -> Content:
    headers = _headers(path)
    for part in ("train", "test"):
        _check_images(path, f"x_{part}", headers[f"x_{part}"])
        _check_labels_header(path, part, headers)
    (train, test), labels = (headers["x_train"], headers["x_test"]), _labels(path)
    of_one = train.shape[1:]
    _check(test.shape[1:] == of_one, path, f"x_test has images of shape {test.shape[1:]}", f"{of_one}, as in x_train")
    n_classes = _n_classes(path, *labels)
    return Content(train.shape[0], test.shape[0], int(np.prod(of_one)), n_classes, checksum(path))


def load(path: Path) -> Arrays:
    """All arrays of a file that `measure` accepts. Raises a `UserError` where an image holds no finite numbers."""
    y_train, y_test = _labels(path)
    x_train, x_test = (_images(path, name) for name in ("x_train", "x_test"))
    return Arrays(x_train, y_train, x_test, y_test)


def _check(holds: bool, path: Path, found: str, allowed: str) -> None:
    if not holds:
        raise UserError(f"data.path={str(path)!r}: {found}; allowed: {allowed}")


def _unreadable(path: Path, error: Exception) -> UserError:
    said = str(error).partition("\n")[0]
    return UserError(f"data.path={str(path)!r} cannot be read ({said}); allowed: a file that numpy.savez wrote")


def _headers(path: Path) -> dict[str, Header]:
    try:
        with zipfile.ZipFile(path) as archive:
            held = [name.removesuffix(".npy") for name in archive.namelist()]
            lacking = [name for name in ARRAYS if name not in held]
            _check(not lacking, path, f"it has no {', '.join(lacking)}, but {', '.join(held)}", ", ".join(ARRAYS))
            return {name: _header(archive, name) for name in ARRAYS}
    except BROKEN as error:
        raise _unreadable(path, error) from error


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(f"{name}.npy") as file:
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(file)]
        shape, _, dtype = read(file)
    return Header(shape, dtype)


def _check_images(path: Path, name: str, of: Header) -> None:
    good = len(of.shape) in (2, 3) and min(of.shape) > 0
    _check(good, path, f"{name} has the shape {of.shape}", "[n, D] or [n, height, width], nothing empty")
    number = of.dtype == np.uint8 or of.dtype.kind == "f"
    _check(number, path, f"{name} is of type {of.dtype}", "uint8 (divided by 255) or floats (taken as they are)")


def _check_labels_header(path: Path, part: str, headers: dict[str, Header]) -> None:
    of, (n, *_) = headers[f"y_{part}"], headers[f"x_{part}"].shape
    _check(of.shape == (n,), path, f"y_{part} has the shape {of.shape}", f"({n},), a label for each of x_{part}")
    _check(of.dtype.kind in "iu", path, f"y_{part} is of type {of.dtype}", "whole numbers")


def _array(path: Path, name: str) -> NDArray:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive[name]
    except BROKEN as error:
        raise _unreadable(path, error) from error


def _labels(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels to learn from and to test on."""
    y_train, y_test = (_array(path, name).astype(np.int64) for name in ("y_train", "y_test"))
    return y_train, y_test


def _n_classes(path: Path, y_train: NDArray[np.int64], y_test: NDArray[np.int64]) -> int:
    """K, the number of different labels, which must be those from 0 to K − 1."""
    classes = np.unique(y_train)
    n_classes = len(classes)
    allowed = "whole numbers from 0 on, at least two, none left out in y_train"
    wrong = classes[classes != np.arange(n_classes)]
    _check(not wrong.size, path, f"y_train has {n_classes} labels, one of them {next(iter(wrong), None)}", allowed)
    _check(n_classes > 1, path, "y_train holds one class", allowed)
    strange = y_test[(y_test < 0) | (y_test >= n_classes)]
    _check(not strange.size, path, f"y_test holds the label {next(iter(strange), None)}", f"0 to {n_classes - 1}")
    return n_classes


def _images(path: Path, name: str) -> NDArray:
    images = _array(path, name)
    if images.dtype != np.uint8:
        with np.errstate(over="ignore"):
            images = images.astype(np.float32)
        _check(bool(np.isfinite(images).all()), path, f"{name} holds NaN or infinity", "finite numbers in float32")
    return images.reshape(len(images), -1)
