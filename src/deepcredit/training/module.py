"""One training step of an ensemble as Lightning sees it.

Lightning owns the loop, the device, checkpoints, progress and callbacks; this module owns the gradients and the weight
updates of all members, with each member's own learning rate.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deepcredit.training import lightning as pl
from deepcredit.training.images import ImageData
from deepcredit.training.members import Member, Recipe
from deepcredit.training.stack import Stack, follow, parameter_groups, stacks


class EnsembleModule(pl.LightningModule):
    """Trains members that share a recipe, each on its own batches. E counts all members here.

    With a `resumed` checkpoint it has the stacks of that, for Lightning to fill.
    """

    def __init__(
        self,
        recipe: Recipe,
        members: list[Member],
        data: ImageData,
        device: torch.device,
        resumed: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.recipe, self.members, self.data = recipe, members, data
        self._hold(stacks(recipe, members, device, resumed["stacks"] if resumed else None))
        #: loss of the last batch at its feed-forward values, [E]; NaN for members that are frozen
        self.losses = self.stacks[0].weights.w_out.new_full((len(members),), torch.nan)

    def _hold(self, some: list[Stack]) -> None:
        self.stacks = some
        # registered too, so that checkpoints hold the weights
        self.registered = nn.ModuleList(some)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep who is in which stack."""
        checkpoint["stacks"] = [stack.positions for stack in self.stacks]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam on all weights, with each member's own learning rate."""
        return torch.optim.Adam(parameter_groups(self.stacks), fused=True)

    def training_stacks(self) -> Iterator[Stack]:
        """Every stack that still trains."""
        return (stack for stack in self.stacks if not stack.all_frozen)

    def training_step(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        """One step of all members on their images, numbered in `batch` [E, B]."""
        self.losses.fill_(torch.nan)
        for stack in self.training_stacks():
            learned = stack.learn(*self.data.training(batch.index_select(0, stack.index)))
            self.losses.index_copy_(0, stack.index, learned)
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        optimizer.step()

    def first_sample(self, batch: Tensor, stack: Stack) -> tuple[Tensor, Tensor]:
        """The first image of each member's batch and its target, [E, 1, D] and [E, 1, K], E of the stack."""
        return self.data.training(batch.index_select(0, stack.index)[:, :1])

    def stop(self, member: int) -> None:
        """Stop one member where it is."""
        for stack in self.stacks:
            if member in stack.positions:
                stack.freeze(stack.positions.index(member))

    def drop_frozen(self) -> None:
        """Go on with smaller stacks where enough of them is frozen for that to be worth it, unless all is."""
        sparse = [stack for stack in self.stacks if stack.is_sparse]
        if not sparse or not any(self.training_stacks()):
            return
        moved: dict[nn.Parameter, nn.Parameter] = {}
        for stack in self.training_stacks():
            moved |= stack.drop_frozen() if stack.is_sparse else {p: p for p in stack.all_parameters()}
        self._hold(list(self.training_stacks()))
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        follow(optimizer, parameter_groups(self.stacks), moved)
