"""The deep linear network: its descent in a few directions against all outputs with automatic differentiation."""

import numpy as np
import pytest
import torch
from torch import nn

from deepcredit.nets import deep_linear
from deepcredit.studies.saxe.experiments.deep_linear import start, targets, train
from deepcredit.studies.saxe.schemas.deep_linear import Tree

SEED, WIDTH, EPOCHS, ITEM = 5, 6, 40, 3


def features(n: int = 50) -> np.ndarray:
    return targets(SEED, Tree(num_features=n))


def framework_network(n_features: int, gamma: float) -> nn.Sequential:
    """Constructed and initialised again as the source does, from a global seed."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        network = nn.Sequential(nn.Linear(8, WIDTH, bias=False), nn.Linear(WIDTH, n_features, bias=False))
        for layer in network:
            n_out, n_in = layer.weight.shape
            nn.init.normal_(layer.weight, 0.0, gamma / (n_in + n_out) ** 0.5)
    return network.double()


def test_weights_are_those_of_the_source_for_the_same_seed():
    w_in, w_out = deep_linear.draw_standard(torch.Generator().manual_seed(SEED), 8, WIDTH, 50)
    network = framework_network(50, 1.0)
    assert torch.equal(w_in, network[0].weight.data)
    assert torch.equal(w_out, network[1].weight.data)


def test_default_initialisation_is_the_frameworks():
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        layer = nn.Linear(8, 50, bias=False)
    torch.testing.assert_close(
        deep_linear.draw_linear(torch.Generator().manual_seed(SEED), 50, 8), layer.weight.data, rtol=0, atol=1e-8
    )


def test_descent_in_the_span_is_descent_on_all_outputs():
    """Loss, representations, predictions, singular values and the final product, epoch by epoch."""
    gamma, lr, y = 0.3, 8.0, torch.tensor(features().T, dtype=torch.float64)
    history, weights, basis = train(
        start(torch.Generator().manual_seed(SEED), features(), WIDTH),
        torch.tensor([gamma], dtype=torch.float64),
        torch.tensor([lr], dtype=torch.float64),
        EPOCHS,
        ITEM,
    )
    network = framework_network(50, gamma)
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    inputs = torch.eye(8, dtype=torch.float64)
    for epoch in range(EPOCHS):
        hidden = network[0](inputs)
        prediction = network[1](hidden)
        loss = nn.functional.mse_loss(prediction, y.T)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        product = (network[1].weight @ network[0].weight).detach()
        close = {"rtol": 1e-5, "atol": 1e-9}
        torch.testing.assert_close(history.loss[0, epoch], loss.detach(), **close)
        torch.testing.assert_close(history.prediction[0, epoch], prediction[ITEM, -1].detach(), **close)
        torch.testing.assert_close(history.rsm[0, epoch], (hidden @ hidden.T).detach().float(), rtol=1e-4, atol=1e-6)
        expected = torch.linalg.svdvals(product)
        torch.testing.assert_close(history.singular_value[0, epoch], torch.cat([expected, torch.zeros(8)])[:8], **close)
    torch.testing.assert_close(basis @ weights.product()[0], product, rtol=1e-5, atol=1e-9)
    assert history.loss[0, -1] < 0.7 * history.loss[0, 0]


def test_span_holds_weights_and_targets_of_any_scale_and_is_orthonormal():
    generator = torch.Generator().manual_seed(0)
    w_out = 1e-14 * torch.randn(60, 5, generator=generator, dtype=torch.float64)
    goal = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    basis = deep_linear.span(w_out, goal)
    assert basis.shape == (60, 8)
    torch.testing.assert_close(basis.T @ basis, torch.eye(8, dtype=torch.float64))
    torch.testing.assert_close(basis @ (basis.T @ goal), goal)
    torch.testing.assert_close(basis @ (basis.T @ w_out) * 1e14, w_out * 1e14)


def test_a_matrix_that_is_not_finite_has_no_singular_values_and_leaves_the_others_theirs():
    matrices = torch.stack([torch.diag(torch.tensor([2.0, 3.0])), torch.tensor([[1.0, torch.inf], [0.0, 1.0]])])
    values = deep_linear.singular_values(matrices)
    torch.testing.assert_close(values[0], torch.tensor([3.0, 2.0]))
    assert values[1].isnan().all()


def test_a_new_feature_is_the_last_output():
    new = [-1, 1, 1, 1, -1, -1, -1, -1]
    with_it, without = targets(SEED, Tree(num_features=20, new_feature=new)), features(20)
    np.testing.assert_array_equal(with_it[:, -1], new)
    np.testing.assert_array_equal(with_it[:, :-1], without)


@pytest.mark.parametrize("item", [0, 7])
def test_prediction_is_that_of_the_last_feature_for_the_chosen_item(item):
    """Once trained, it is the target's entry."""
    y = features(10)
    one = torch.ones(1, dtype=torch.float64)
    history, _, _ = train(start(torch.Generator().manual_seed(0), y, 20), one, 4 * one, 400, item)
    assert history.prediction[0, -1].item() == pytest.approx(y[item, -1], abs=1e-3)
