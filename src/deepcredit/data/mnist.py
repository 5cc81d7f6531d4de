"""MNIST and Fashion-MNIST as arrays, and their normalisation. Imports neither torch nor torchvision.

Shapes: `n` images, `D` = 784 pixels in rows from top to bottom.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepcredit.core.errors import UserError
from deepcredit.data import files

#: mean and standard deviation of the pixels (over 255) that every experiment normalises with, by data set
NORMALISATION = {"mnist": (0.1307, 0.3081), "fashion_mnist": (0.5, 0.5)}

N_CLASSES = 10

#: IDX: two zero bytes, type (8 = unsigned byte), number of dimensions; then the big-endian sizes, then the bytes
_UNSIGNED_BYTE = 8


@dataclass(frozen=True)
class Images:
    """A data set: `train_images` uint8 [60000, 784], `train_labels` int64 [60000], `test_…` the same with 10,000."""

    dataset: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def load(dataset: str, root: Path | None = None) -> Images:
    """Read a data set (`mnist` or `fashion_mnist`) from below `root` (default: `files.root()`).

    Raises `UserError` for an unknown name, and where files are missing or are not what they must be.
    """
    known = files.lookup(dataset)
    folder = files.raw_folder(known, root if root is not None else files.root())
    files.verify(known, folder)
    return Images(
        dataset=dataset,
        train_images=_images(folder / files.TRAIN_IMAGES),
        train_labels=_labels(folder / files.TRAIN_LABELS),
        test_images=_images(folder / files.TEST_IMAGES),
        test_labels=_labels(folder / files.TEST_LABELS),
    )


def normalise(images: NDArray[np.uint8], dataset: str) -> NDArray[np.float32]:
    """`(x/255 − mean) / std` in float32, with the data set's `NORMALISATION`; `images` of any shape."""
    mean, std = NORMALISATION[files.lookup(dataset).name]
    return (images.astype(np.float32) / np.float32(255) - np.float32(mean)) / np.float32(std)


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
