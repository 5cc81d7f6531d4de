r"""The loss that networks are trained and compared by, $\tfrac12\operatorname{mean}_b\|y-\hat y\|^2$.

Shapes: E members, B batch, K output.
"""

from torch import Tensor


def squared_loss(prediction: Tensor, y: Tensor) -> Tensor:
    r"""$\tfrac12\operatorname{mean}_b\|y-\hat y\|^2$ of every member, [E], for `prediction` [E, B, K]."""
    return (y - prediction).square().sum((1, 2)) / (2 * prediction.shape[1])
