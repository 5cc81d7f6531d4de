"""The order in which a member sees the samples: the one place that shuffles and that cuts an epoch into batches.

The order is a function of a member's seed and the epoch alone, so that training can begin again at any step.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepcredit.data.samples import Samples
from deepcredit.nets.init import Stream, generator

#: seed, epoch and number of samples → their order, [n]
Shuffle = Callable[[int, int, int], Tensor]


def shuffled(seed: int, epoch: int, n_samples: int) -> Tensor:
    """The order of a seed's epoch: each from a stream of its own."""
    entropy = np.random.SeedSequence([seed, Stream.data_order.value, epoch])
    return torch.from_numpy(np.random.default_rng(entropy).permutation(n_samples))


def shuffled_by_torch(seed: int, epoch: int, n_samples: int) -> Tensor:
    """The order of a seed's only epoch, in kinds of experiment that see no second one; raises for any other.

    It is not that of `shuffled`, and stays: the numbers of those kinds were computed with it.
    """
    if epoch:
        raise ValueError(f"epoch {epoch} of an order that has one")
    return torch.randperm(n_samples, generator=generator(seed, Stream.data_order))


@dataclass(frozen=True)
class BatchOrder:
    """Iterates over the samples [E, B] of every step from `start()` to `n_steps`: reshuffled in every epoch for every
    member from its own seed, last incomplete batch dropped.
    """

    seeds: tuple[int, ...]
    n_samples: int
    batch_size: int
    n_steps: int
    start: Callable[[], int] = lambda: 0
    shuffle: Shuffle = shuffled

    def __len__(self) -> int:
        return self.n_steps

    def __iter__(self) -> Iterator[Tensor]:
        per_epoch = self.n_samples // self.batch_size
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
        orders = {seed: self.shuffle(seed, epoch, self.n_samples) for seed in set(self.seeds)}
        return torch.stack([orders[seed] for seed in self.seeds])


def one_epoch(samples: Samples, seed: int, batch_size: int, n_steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised inputs [B, D] and one-hot classes [B, K], in float32, of the first `n_steps` batches of an epoch."""
    arrays = samples.arrays
    for numbers in BatchOrder((seed,), len(arrays.train_x), batch_size, n_steps, shuffle=shuffled_by_torch):
        chosen = numbers[0].numpy()
        x, y = samples.normalised(arrays.train_x[chosen]), samples.one_hot(arrays.train_labels[chosen])
        yield torch.from_numpy(x), torch.from_numpy(y)
