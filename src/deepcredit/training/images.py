"""Images on the device that trains, and the order in which each member sees them.

The order is a function of a member's seed and the epoch alone, so that training can begin again at any step.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepcredit.data import mnist
from deepcredit.nets.init import Stream
from deepcredit.training import lightning as pl

N_CLASSES = mnist.N_CLASSES


@dataclass(frozen=True)
class ImageData:
    """Normalised images [n, D] in float32, one-hot training targets [n, K], test labels [n]; all on one device."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_labels: Tensor

    @classmethod
    @functools.lru_cache(maxsize=2)
    def load(cls, dataset: str, device: torch.device | str = "cpu", root: Path | None = None) -> "ImageData":
        """Read a data set of `deepcredit.data.mnist`; nobody may write to it, since the next caller gets the same.

        Raises `UserError` where its files are missing or damaged.
        """
        images = mnist.load(dataset, root)
        labels = torch.from_numpy(images.train_labels)
        return cls(
            torch.from_numpy(mnist.normalise(images.train_images, dataset)).to(device),
            torch.nn.functional.one_hot(labels, N_CLASSES).float().to(device),
            torch.from_numpy(mnist.normalise(images.test_images, dataset)).to(device),
            torch.from_numpy(images.test_labels).to(device),
        )

    def training(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Training images and targets with these `numbers` [E, B]: [E, B, D] and [E, B, K]."""
        # several times as fast as indexing
        x, y = (torch.nn.functional.embedding(numbers, table) for table in (self.train_x, self.train_y))
        return x, y

    def first_tests(self, n_test: int, batch_size: int) -> tuple[Tensor, Tensor]:
        """The first `n_test` test images and labels, without the last batch where that is not full."""
        kept = min(n_test, len(self.test_x)) // batch_size * batch_size
        return self.test_x[:kept], self.test_labels[:kept]


@dataclass(frozen=True)
class BatchOrder:
    """Iterates over the images [E, B] of every step from `start()` to `n_steps`: reshuffled in every epoch for every
    member from its own seed, last incomplete batch dropped.
    """

    seeds: tuple[int, ...]
    n_images: int
    batch_size: int
    n_steps: int
    start: Callable[[], int] = lambda: 0

    def __len__(self) -> int:
        return self.n_steps

    def __iter__(self) -> Iterator[Tensor]:
        per_epoch = self.n_images // self.batch_size
        epoch, order = -1, torch.empty(0)
        for step in range(self.start(), self.n_steps):
            if step // per_epoch != epoch:
                epoch = step // per_epoch
                order = self._order(epoch)
            first = step % per_epoch * self.batch_size
            yield order[:, first : first + self.batch_size]

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the place is the trainer's step counter. Tells Lightning that this order can be resumed."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to take up."""

    def _order(self, epoch: int) -> Tensor:
        orders = {seed: _permutation(seed, epoch, self.n_images) for seed in set(self.seeds)}
        return torch.stack([orders[seed] for seed in self.seeds])


def _permutation(seed: int, epoch: int, n_images: int) -> Tensor:
    entropy = np.random.SeedSequence([seed, Stream.data_order.value, epoch])
    return torch.from_numpy(np.random.default_rng(entropy).permutation(n_images))


class ImageModule(pl.LightningDataModule):
    """Hands out the images' numbers; the images stay where they are. Starts where the trainer's step counter is."""

    def __init__(self, data: ImageData, seeds: tuple[int, ...], batch_size: int, n_steps: int) -> None:
        super().__init__()
        self.data = data
        self._order = (seeds, len(data.train_x), batch_size, n_steps)

    def train_dataloader(self) -> BatchOrder:
        """Batches of image numbers, [E, B]."""
        trainer = self.trainer
        assert trainer is not None
        return BatchOrder(*self._order, start=lambda: trainer.global_step)
