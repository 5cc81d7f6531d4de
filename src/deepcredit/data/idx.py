"""Images in four IDX files, as MNIST and its like come. Imports no torch."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepcredit.core.errors import UserError
from deepcredit.data.samples import Arrays

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

#: IDX: two zero bytes, type (8 = unsigned byte), number of dimensions; then the big-endian sizes, then the bytes
_UNSIGNED_BYTE = 8


def load(folder: Path) -> Arrays:
    """The images and labels in `folder`, as bytes and int64."""
    return Arrays(
        train_x=_images(folder / TRAIN_IMAGES),
        train_labels=_labels(folder / TRAIN_LABELS),
        test_x=_images(folder / TEST_IMAGES),
        test_labels=_labels(folder / TEST_LABELS),
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes. Raises `UserError` where the file is not one."""
    content = np.fromfile(path, dtype=np.uint8)
    if content.size < 4 or tuple(content[:3]) != (0, 0, _UNSIGNED_BYTE):
        raise UserError(f"{path} is not an IDX file of unsigned bytes")
    n_dims = int(content[3])
    start = 4 + 4 * n_dims
    shape = tuple(int(size) for size in content[4:start].view(">u4"))
    if content.size != start + int(np.prod(shape)):
        raise UserError(f"{path} holds {content.size - start} bytes of data, its header says {shape}")
    return content[start:].reshape(shape)


def _images(path: Path) -> NDArray[np.uint8]:
    images = read_idx(path)
    return images.reshape(len(images), -1)


def _labels(path: Path) -> NDArray[np.int64]:
    return read_idx(path).astype(np.int64)
