r"""Does a learning step move the output towards its target?

Shapes: E members, B batch, K output.
"""

from torch import Tensor
from torch.nn.functional import cosine_similarity


def target_alignment(before: Tensor, after: Tensor, target: Tensor) -> Tensor:
    r"""Mean over the batch of cos∠(after − before, target − before), [E], float64, within [−1, 1].

    All arguments [E, B, K]: the output before and after the step, and the target. An output that does not move has
    alignment 0. Source: Song et al. 2024, target alignment.
    """
    moved, way = after.double() - before.double(), target.double() - before.double()
    return cosine_similarity(moved, way, dim=-1).clamp(-1, 1).mean(-1)
