"""Members of an ensemble that are computed together, with what a training step needs of them.

Shapes: E members, H hidden layers, B batch, D input, N width, K output.

A member's weights, gradients and optimiser state are its own arrays, and on the CPU a stack has one member: no
number of a member depends on who else is trained.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from deepcredit.core.registry import load
from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import Weights, predict
from deepcredit.rules.learner import StackLearner
from deepcredit.rules.loss import squared_loss
from deepcredit.rules.penalties import NO_PENALTIES, penalty_gradient
from deepcredit.training.members import Member, Recipe

#: rows of the test set that pass through the network at once
TEST_ROWS = 1024


class Stack(nn.Module):
    """E networks on one device: `learn` fills the gradients of its parameters, an optimiser outside updates them."""

    w_in: Tensor
    w_hid: Tensor
    w_out: Tensor

    def __init__(self, recipe: Recipe, members: list[Member], device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.recipe, self.members = recipe, members
        drawn = draw_weights(recipe.net, recipe.init, [m.seed for m in members], gain=recipe.gain)
        for name, tensor in zip(Weights._fields, drawn, strict=True):
            self.register_buffer(name, tensor.to(device))
        self.weights = Weights(self.w_in, self.w_hid, self.w_out)
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


def stacks(recipe: Recipe, members: list[Member], device: torch.device) -> list[Stack]:
    """The members on `device`: all in one stack on a GPU, each its own on the CPU."""
    together = len(members) if device.type == "cuda" else 1
    return [Stack(recipe, members[i : i + together], device) for i in range(0, len(members), together)]


def parameter_groups(some: Iterable[Stack]) -> list[dict]:
    """One group for an optimiser per learning rate: it works through a group at once."""
    of_rate: dict[float, list[nn.Parameter]] = {}
    for stack in some:
        for rate, parameters in stack.parameters_of():
            of_rate.setdefault(rate, []).extend(parameters)
    return [{"params": parameters, "lr": rate} for rate, parameters in of_rate.items()]
