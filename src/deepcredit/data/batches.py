"""Shuffled batches of a data set of images, one at a time. Imports no torch.

Shapes: B batch, D = 784 pixels, K = 10 classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepcredit.data.mnist import N_CLASSES, Images, normalise


@dataclass(frozen=True)
class Batches:
    """One pass over the training images in the given `order`; an incomplete last batch is dropped."""

    images: Images
    order: NDArray[np.int64]
    batch_size: int

    def __len__(self) -> int:
        return len(self.order) // self.batch_size

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Normalised pixels [B, D] and one-hot classes [B, K] of every batch."""
        one_hot = np.eye(N_CLASSES, dtype=np.float32)
        for first in range(0, len(self) * self.batch_size, self.batch_size):
            chosen = self.order[first : first + self.batch_size]
            yield (
                normalise(self.images.train_images[chosen], self.images.dataset),
                one_hot[self.images.train_labels[chosen]],
            )
