"""Hierarchical data against the tree walked node by node, and against the covariance of a diffusion on it."""

import numpy as np
import pytest

from deepcredit.data.tree import paths, sample_features


def walked(random: np.random.RandomState, n_features: int) -> np.ndarray:
    """Three levels of two branches: every leaf climbs to the root, parent by parent."""
    flips = np.full(15, 0.15)
    flips[0] = 0.5
    signs = np.where(random.rand(n_features, 15) > flips, 1, -1)
    features = np.ones((8, n_features), dtype=int)
    for leaf in range(8):
        node = 7 + leaf
        while True:
            features[leaf] *= signs[:, node]
            if node == 0:
                break
            node = (node - 1) // 2
    return features


def test_features_are_those_of_the_tree_walked_from_the_leaves():
    sampled = sample_features(np.random.RandomState(2021), 3, 2, 0.15, 0.5, 500)
    np.testing.assert_array_equal(sampled, walked(np.random.RandomState(2021), 500))


def test_paths_of_a_tree_of_three_branches():
    expected = [[0, 1, 4], [0, 1, 5], [0, 1, 6], [0, 2, 7], [0, 2, 8], [0, 2, 9], [0, 3, 10], [0, 3, 11], [0, 3, 12]]
    np.testing.assert_array_equal(paths(2, 3), expected)


def test_a_tree_of_one_branch_is_a_chain():
    np.testing.assert_array_equal(paths(3, 1), [[0, 1, 2, 3]])


def test_items_correlate_by_their_distance_in_the_tree():
    """⟨x_i x_j⟩ = (1 − 2p)^d with d nodes on the two paths below the common ancestor; ⟨x_i⟩ = 0 for a fair root."""
    n = 40000
    features = sample_features(np.random.RandomState(1), 3, 2, 0.15, 0.5, n).astype(float)
    distance = [[2 * (i ^ j).bit_length() for j in range(8)] for i in range(8)]
    np.testing.assert_allclose(features @ features.T / n, 0.7 ** np.array(distance), atol=5 / n**0.5)
    np.testing.assert_allclose(features.mean(axis=1), 0, atol=5 / n**0.5)


@pytest.mark.parametrize(("root_flip", "value"), [(0.0, 1), (1.0, -1)])
def test_without_flips_all_items_have_the_sign_of_the_root(root_flip, value):
    assert (sample_features(np.random.RandomState(0), 3, 2, 0.0, root_flip, 20) == value).all()
