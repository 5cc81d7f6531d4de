"""Images on the device that trains."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from deepcredit.data import samples
from deepcredit.data.samples import Chosen
from deepcredit.training import lightning as pl
from deepcredit.training.order import BatchOrder


@dataclass(frozen=True)
class ImageData:
    """Normalised images [n, D] in float32, one-hot training targets [n, K], test labels [n]; all on one device."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_labels: Tensor

    @classmethod
    @functools.lru_cache(maxsize=2)
    def load(cls, chosen: Chosen, device: torch.device | str = "cpu") -> "ImageData":
        """Read a data set; nobody may write to it, since the next caller gets the same.

        Raises `UserError` where its files are missing or damaged.
        """
        found = samples.load(chosen)
        arrays = found.arrays
        labels = torch.from_numpy(arrays.train_labels)
        return cls(
            torch.from_numpy(found.normalised(arrays.train_x)).to(device),
            torch.nn.functional.one_hot(labels, found.n_classes).float().to(device),
            torch.from_numpy(found.normalised(arrays.test_x)).to(device),
            torch.from_numpy(arrays.test_labels).to(device),
        )

    @property
    def n_classes(self) -> int:
        """K."""
        return self.train_y.shape[1]

    def training(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Training images and targets with these `numbers` [E, B]: [E, B, D] and [E, B, K]."""
        # several times as fast as indexing
        x, y = (torch.nn.functional.embedding(numbers, table) for table in (self.train_x, self.train_y))
        return x, y

    def first_tests(self, n_test: int, batch_size: int) -> tuple[Tensor, Tensor]:
        """The first `n_test` test images and labels, without the last batch where that is not full."""
        kept = min(n_test, len(self.test_x)) // batch_size * batch_size
        return self.test_x[:kept], self.test_labels[:kept]


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
