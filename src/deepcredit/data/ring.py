"""The ring: points of a square grid, of which those near the unit circle are one class and the rest the other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepcredit.data.samples import Arrays

#: half the side of the square, and the radii between which a point is on the ring (both bounds excluded)
HALF_SIDE, INNER, OUTER = 2.0, 0.8, 1.2


@dataclass(frozen=True)
class Ring:
    """`points` [n, 2]; `on_ring` [n]; `targets` [n, 2]: (+1, 0) on the ring and (−1, 0) off it."""

    points: NDArray[np.float32]
    on_ring: NDArray[np.bool_]
    targets: NDArray[np.float32]


def load(points_per_side: int = 50) -> Ring:
    """All points of a `points_per_side` × `points_per_side` grid on [−2, 2]², its border included."""
    axis = np.linspace(-HALF_SIDE, HALF_SIDE, points_per_side)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    radius = np.linalg.norm(points, axis=1)
    on_ring = (radius > INNER) & (radius < OUTER)
    targets = np.stack([2.0 * on_ring - 1.0, np.zeros(len(points))], axis=1)
    return Ring(points.astype(np.float32), on_ring, targets.astype(np.float32))


def arrays(_: None) -> Arrays:
    """The points of the default grid; the label is whether a point is on the ring."""
    ring = load()
    return Arrays(ring.points, ring.on_ring.astype(np.int64), train_targets=ring.targets)
