"""Backpropagation in a deep affine network."""

from collections.abc import Callable, Mapping

from torch import Tensor

from deepcredit.nets import affine
from deepcredit.nets.affine import Affine, Draws, Errors


class Learner:
    """Gradient of the loss with respect to every layer: a `Learner` of deep affine networks."""

    observed: Mapping[str, Tensor] = {}

    def __init__(
        self,
        net: Affine,
        batch_size: int,
        options: None,  # noqa: ARG002 - what every rule is given
        draws: Draws,  # noqa: ARG002
        loss_gradient: Callable[[Tensor, Tensor], Tensor],
    ) -> None:
        self.net, self.loss_gradient = net, loss_gradient
        self.x_HBN, self.gradient_HBN = affine.buffers(net, batch_size)

    def learn(self, x: Tensor, y: Tensor) -> Errors:
        """∂L/∂x_l of all layers for `x` [B, D] and `y` [B, K]."""
        top_BK = self.loss_gradient(affine.forward(self.net, x, self.x_HBN), y)
        affine.pull_back(self.net, top_BK, self.gradient_HBN)
        return Errors(self.x_HBN, self.gradient_HBN, top_BK)
