"""Members of an ensemble that are computed together, with what a training step needs of them.

Shapes: E members, H hidden layers, B batch, D input, N width, K output.

A member's weights, gradients and optimiser state are its own arrays, and on the CPU a stack has one member: no
number of a member depends on who else is trained.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deepcredit.core.registry import load
from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import Weights, predict
from deepcredit.rules.learner import StackLearner
from deepcredit.rules.loss import squared_loss
from deepcredit.rules.penalties import NO_PENALTIES, penalty_gradient
from deepcredit.training.chunks import free_unused
from deepcredit.training.members import Member, Recipe

#: rows of the test set that pass through the network at once
TEST_ROWS = 1024
#: share of a stack that is frozen when a smaller one takes its place
SPARSE = 0.25


class Stack(nn.Module):
    """E networks on one device: `learn` fills the gradients of its parameters, an optimiser outside updates them."""

    w_in: Tensor
    w_hid: Tensor
    w_out: Tensor

    def __init__(self, recipe: Recipe, members: Sequence[Member], weights: Weights, positions: list[int]) -> None:
        """`positions` are those of the members in the ensemble."""
        super().__init__()
        self.recipe = recipe
        self._begin(members, weights, positions)

    def _begin(self, members: Sequence[Member], weights: Weights, positions: list[int]) -> None:
        self.members, self.weights, self.positions = members, weights, positions
        for name, tensor in weights._asdict().items():
            self.register_buffer(name, tensor)
        #: the positions where the members are computed
        self.index = torch.tensor(positions, device=weights.w_out.device)
        self.learner = self._learner()
        self._parameters_of = [self._own(member) for member in range(len(members))]
        self.frozen = [False] * len(members)

    def _learner(self) -> StackLearner:
        recipe, options = self.recipe, [member.options for member in self.members]
        return load(recipe.implementation.code)(recipe.net, self.weights, recipe.batch_size, options)

    def _own(self, member: int) -> list[nn.Parameter]:
        """One member's slices of the weights as parameters, their gradients slices of the learner's."""
        own = []
        for weight, gradient in zip(self.weights, self.learner.gradient, strict=True):
            if weight[member].numel():
                parameter = nn.Parameter(weight[member])
                parameter.grad = gradient[member]
                own.append(parameter)
        return own

    def parameters_of(self) -> Iterator[tuple[float, list[nn.Parameter]]]:
        """Learning rate and parameters of every member."""
        return ((m.weight_lr, own) for m, own in zip(self.members, self._parameters_of, strict=True))

    @torch.no_grad()
    def learn(self, x: Tensor, y: Tensor) -> Tensor:
        """Gradients for `x` [E, B, D] and `y` [E, B, K]; returns the loss of the feed-forward pass, [E]."""
        gradient = self.learner.learn(x, y)
        if self.recipe.penalties != NO_PENALTIES:
            for g, w in zip(gradient, self.weights, strict=True):
                g.add_(penalty_gradient(w, self.recipe.penalties))
        return squared_loss(self.learner.prediction, y)

    def freeze(self, member: int) -> None:
        """Never update this member again: optimisers pass over parameters without a gradient."""
        self.frozen[member] = True
        for parameter in self._parameters_of[member]:
            parameter.grad = None

    @property
    def all_frozen(self) -> bool:
        """Nothing left to do."""
        return all(self.frozen)

    @property
    def is_sparse(self) -> bool:
        """Whether so much is computed for nobody that beginning anew without it costs less."""
        return sum(self.frozen) >= SPARSE * len(self.frozen)

    def all_parameters(self) -> list[nn.Parameter]:
        """Those of all members."""
        return list(itertools.chain(*self._parameters_of))

    def drop_frozen(self) -> dict[nn.Parameter, nn.Parameter]:
        """Go on without the frozen members; returns what has become of the others' parameters."""
        kept = [member for member, frozen in enumerate(self.frozen) if not frozen]
        before = [parameter for member in kept for parameter in self._parameters_of[member]]
        for parameter in before:
            parameter.grad = None
        del self.learner
        free_unused()
        weights = self.weights.map(lambda w: torch.stack([w[member] for member in kept]))
        self._begin([self.members[m] for m in kept], weights, [self.positions[m] for m in kept])
        return dict(zip(before, self.all_parameters(), strict=True))

    def states(self) -> Tensor:
        """Activities that the last gradient was taken at, [E, H, B, N]."""
        return self.learner.activities

    @torch.no_grad()
    def accuracy(self, x: Tensor, labels: Tensor) -> Tensor:
        """Test accuracy in % of `x` [n, D] with `labels` [n], feed-forward; NaN where an output is not finite."""
        correct = torch.zeros(len(self.members), dtype=torch.long, device=x.device)
        finite = torch.ones(len(self.members), dtype=torch.bool, device=x.device)
        for rows, truth in zip(x.split(TEST_ROWS), labels.split(TEST_ROWS), strict=True):
            prediction = predict(self.recipe.net, self.weights, rows)
            correct += (prediction.argmax(2) == truth).sum(1)
            finite &= prediction.isfinite().flatten(1).all(1)
        return torch.where(finite, 100 * correct / len(labels), torch.nan)

    @torch.no_grad()
    def activity_norms(self) -> Tensor:
        """Mean over the batch of ‖z_l‖ for each hidden layer at `states`, [E, H]."""
        return self.states().double().norm(dim=3).mean(2)

    @torch.no_grad()
    def weight_norms(self) -> Tensor:
        """‖W_l‖_F of each layer, [E, L]."""
        return torch.stack([w.double().flatten(1).norm(dim=1) for w in self.weights.layers()], 1)


def stacks(
    recipe: Recipe, members: Sequence[Member], device: torch.device, resumed: list[list[int]] | None = None
) -> list[Stack]:
    """The members on `device`: all in one stack on a GPU, each its own on the CPU.

    Those in the stacks of a `resumed` training, by position, have weights that are still to be filled.
    """
    together = len(members) if device.type == "cuda" else 1
    first = [list(range(i, i + together)) for i in range(0, len(members), together)]
    positions = resumed or first
    if resumed:
        weights = [recipe.net.empty_weights(len(some), device=device) for some in positions]
    else:
        weights = _drawn(recipe, members, positions, device)
    own = zip(weights, positions, strict=True)
    return [Stack(recipe, [members[p] for p in some], of_stack, some) for of_stack, some in own]


def _drawn(
    recipe: Recipe, members: Sequence[Member], positions: list[list[int]], device: torch.device
) -> list[Weights]:
    """Initial weights of every stack, those of all members drawn at once."""
    drawn = draw_weights(recipe.net, recipe.init, [m.seed for m in members], gain=recipe.gain, device=device)
    return [drawn] if len(positions) == 1 else [drawn.members(some) for some in positions]


def parameter_groups(some: Iterable[Stack]) -> list[dict]:
    """One group for an optimiser per learning rate: it works through a group at once."""
    of_rate: dict[float, list[nn.Parameter]] = {}
    for stack in some:
        for rate, parameters in stack.parameters_of():
            of_rate.setdefault(rate, []).extend(parameters)
    return [{"params": parameters, "lr": rate} for rate, parameters in of_rate.items()]


def follow(optimizer: torch.optim.Optimizer, groups: list[dict], moved: Mapping[nn.Parameter, nn.Parameter]) -> None:
    """Have `optimizer` go on with these groups, with its state of the parameters that `moved` says became others."""
    state: dict[Tensor, Any] = {new: optimizer.state[old] for old, new in moved.items() if old in optimizer.state}
    optimizer.param_groups.clear()
    for group in groups:
        optimizer.add_param_group(group)
    optimizer.state.clear()
    optimizer.state.update(state)
