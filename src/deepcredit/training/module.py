"""One training step of an ensemble as Lightning sees it.

Lightning owns the loop, the device, checkpoints, progress and callbacks; this module owns the gradients and the weight
updates of all members, with each member's own learning rate.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from deepcredit.training import lightning as pl
from deepcredit.training.images import ImageData
from deepcredit.training.members import Member, Recipe
from deepcredit.training.stack import Stack, parameter_groups, stacks


class EnsembleModule(pl.LightningModule):
    """Trains members that share a recipe, each on its own batches. E counts all members here."""

    def __init__(self, recipe: Recipe, members: list[Member], data: ImageData, device: torch.device) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.recipe, self.members, self.data = recipe, members, data
        self.stacks = stacks(recipe, members, device)
        # registered too, so that checkpoints hold the weights
        self.registered = nn.ModuleList(self.stacks)
        #: loss of the last batch at its feed-forward values, [E]; NaN for members that are frozen
        self.losses = torch.full((len(members),), torch.nan, device=device)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam on all weights, with each member's own learning rate."""
        return torch.optim.Adam(parameter_groups(self.stacks), fused=True)

    def rows(self) -> Iterator[tuple[Stack, slice]]:
        """Every stack that still trains, and its members' positions in the ensemble."""
        first = 0
        for stack in self.stacks:
            last = first + len(stack.members)
            if not stack.all_frozen:
                yield stack, slice(first, last)
            first = last

    def training_step(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        """One step of all members on their images, numbered in `batch` [E, B]."""
        self.losses.fill_(torch.nan)
        for stack, rows in self.rows():
            self.losses[rows] = stack.learn(*self.data.training(batch[rows]))
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        optimizer.step()

    def first_sample(self, batch: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """The first image of each member's batch and its target, [E, 1, D] and [E, 1, K]."""
        return self.data.training(batch[rows, :1])

    def stop(self, member: int) -> None:
        """Stop one member where it is."""
        for stack, rows in list(self.rows()):
            if rows.start <= member < rows.stop:
                stack.freeze(member - rows.start)
