"""Hierarchical data: features that diffuse down a tree, each flipping its sign with some probability at every node.

Source: the branching diffusion of Saxe, McClelland & Ganguli 2019 (*A mathematical theory of semantic development in
deep neural networks*), as set up in the Neuromatch tutorial on deep linear networks.
"""

import numpy as np


def paths(n_levels: int, n_branches: int) -> np.ndarray:
    """Nodes on the way from the root to every leaf, [items, n_levels + 1]; nodes are numbered level by level."""
    leaf = np.arange(n_branches**n_levels)
    first = [(n_branches**level - 1) // (n_branches - 1) if n_branches > 1 else level for level in range(n_levels + 1)]
    return np.stack([first[level] + leaf // n_branches ** (n_levels - level) for level in range(n_levels + 1)], axis=1)


def sample_features(
    random: np.random.RandomState, n_levels: int, n_branches: int, flip: float, root_flip: float, n_features: int
) -> np.ndarray:
    """Draw features of ±1, [items, features]. Every feature is one draw of signs for all nodes of the tree.

    A leaf's value is the product of the signs on its path: the root is −1 with probability `root_flip`, every other
    node with probability `flip`. The draws come feature by feature, as in the source.
    """
    path = paths(n_levels, n_branches)
    flips = np.full(path.max() + 1, flip)
    flips[0] = root_flip
    signs = np.where(random.rand(n_features, len(flips)) > flips, 1, -1)
    return signs[:, path].prod(axis=-1).T.astype(np.int8)
