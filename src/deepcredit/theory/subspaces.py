"""The four fundamental subspaces of a matrix, by singular value decomposition (Strang 1993)."""

from typing import NamedTuple

import torch
from torch import Tensor


class Subspaces(NamedTuple):
    """Orthonormal bases, as columns, of the subspaces of A [m, n] of rank r."""

    image: Tensor  #: [m, r], column space: what A can reach
    kernel: Tensor  #: [n, n − r], what A sends to 0
    coimage: Tensor  #: [n, r], row space: orthogonal to the kernel
    cokernel: Tensor  #: [m, m − r], left null space: orthogonal to the image


def numerical_rank(singular_values: Tensor, shape: torch.Size) -> int:
    """Number of singular values above max(m, n) · ε · the largest of them; ε is the precision of the type."""
    tolerance = max(shape) * torch.finfo(singular_values.dtype).eps * singular_values.amax()
    return int((singular_values > tolerance).sum())


def subspaces(matrix: Tensor) -> Subspaces:
    """Bases of image, kernel, coimage and cokernel of a matrix [m, n]; the signs of the vectors are arbitrary."""
    u, singular_values, v_transposed = torch.linalg.svd(matrix, full_matrices=True)
    rank = numerical_rank(singular_values, matrix.shape)
    v = v_transposed.mT
    return Subspaces(u[:, :rank], v[:, rank:], v[:, :rank], u[:, rank:])
