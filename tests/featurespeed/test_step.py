"""The residual network and its rank-one steps against dense matrices and automatic differentiation."""

import numpy as np
import pytest
import torch
from torch import Tensor

from deepcredit.nets import resnet
from deepcredit.studies.featurespeed import observables as feature_speed
from deepcredit.studies.featurespeed.schemas.feature_speed import Updated

DEPTH, WIDTH, INPUTS, OUTPUTS, LR = 7, 12, 5, 3, 0.01
BETA = torch.tensor([0.05, 0.4, 1.0], dtype=torch.float64)


@pytest.fixture
def weights() -> resnet.Weights:
    return resnet.initialise(torch.Generator().manual_seed(3), DEPTH, WIDTH, INPUTS, OUTPUTS)


@pytest.fixture
def sample() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(INPUTS, generator=generator, dtype=torch.float64)
    return x, torch.randn(OUTPUTS, generator=generator, dtype=torch.float64)


class Dense:
    """One member with all its matrices, differentiated by torch."""

    def __init__(self, weights: resnet.Weights, beta: float, x: Tensor, y: Tensor) -> None:
        self.weights, self.beta, self.x, self.y = weights, beta, x, y
        blocks = len(weights.branch_out)
        self.w = [torch.eye(WIDTH, dtype=torch.float64, requires_grad=True) for _ in range(blocks)]
        self.v = [v.double().clone().requires_grad_() for v in weights.branch_out]

    def run(self) -> tuple[list[Tensor], Tensor]:
        """Features a_1 … a_{L−1}, and the loss; every feature keeps its gradient."""
        features = [(self.weights.w_in @ self.x).requires_grad_()]
        for w, v in zip(self.w, self.v, strict=True):
            branch = v @ torch.relu(w @ features[-1])
            features.append((1 - self.beta**2) ** 0.5 * features[-1] + self.beta * branch)
        output = self.weights.w_out @ features[-1]
        return features, 0.5 * (output - self.y).square().sum() / len(self.y)

    def gradients(self) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Of the loss: at the features, at every W_k, at every V_k."""
        features, loss = self.run()
        grads = torch.autograd.grad(loss, [*features, *self.w, *self.v])
        n = len(features)
        return list(grads[:n]), list(grads[n : n + len(self.w)]), list(grads[n + len(self.w) :])

    def step(self, updated: Updated) -> None:
        """The step as the catalogue states it: M −= η G / (‖G‖² L), V's gradient without β where both move."""
        _, of_w, of_v = self.gradients()
        with torch.no_grad():
            for v, g in zip(self.v, of_v, strict=True):
                used = g / self.beta if updated is Updated.both else g
                v -= LR * used / (used.square().sum() * DEPTH)
            if updated is Updated.both:
                for w, g in zip(self.w, of_w, strict=True):
                    w -= LR * g / (g.square().sum() * DEPTH)


def test_forward_and_backward_are_those_of_automatic_differentiation(weights, sample):
    activity = resnet.forward(weights, BETA, sample[0])
    gradient = resnet.backward(weights, BETA, activity, sample[1])
    for e, beta in enumerate(BETA.tolist()):
        dense = Dense(weights, beta, *sample)
        features, _ = dense.run()
        at_features, at_w, at_v = dense.gradients()
        torch.testing.assert_close(activity.features[:, e], torch.stack(features).detach())
        torch.testing.assert_close(gradient.features[:, e], torch.stack(at_features))
        for r in range(DEPTH - 2):
            outer_w = torch.outer(gradient.branch_in[r, e], activity.features[r, e])
            outer_v = beta * torch.outer(gradient.features[r + 1, e], activity.branch[r, e])
            torch.testing.assert_close(outer_w, at_w[r])
            torch.testing.assert_close(outer_v, at_v[r])


@pytest.mark.parametrize("updated", list(Updated))
def test_passes_after_a_step_are_those_of_the_updated_dense_matrices(weights, sample, updated):
    x, y = sample
    before = resnet.forward(weights, BETA, x)
    gradient = resnet.backward(weights, BETA, before, y)
    step = feature_speed.learning_step(updated, BETA, before, gradient, LR)
    after = resnet.forward(weights, BETA, x, step)
    gradient_after = resnet.backward(weights, BETA, after, y, step)
    for e, beta in enumerate(BETA.tolist()):
        dense = Dense(weights, beta, x, y)
        dense.step(updated)
        features, _ = dense.run()
        torch.testing.assert_close(after.features[:, e], torch.stack(features).detach())
        torch.testing.assert_close(gradient_after.features[:, e], torch.stack(dense.gradients()[0]))


def test_every_matrix_that_moves_along_its_gradient_lowers_the_loss_by_lr_over_depth(weights, sample):
    """First order: ⟨G, η G / (‖G‖² L)⟩ = η / L for each of the L − 2 matrices V_k."""
    x, y = sample
    lr = 1e-7
    before = resnet.forward(weights, BETA, x)
    step = feature_speed.learning_step(Updated.branch_out, BETA, before, resnet.backward(weights, BETA, before, y), lr)
    after = resnet.forward(weights, BETA, x, step)
    losses = [0.5 * (one.output - y).square().sum(-1) / OUTPUTS for one in (before, after)]
    expected = torch.full_like(BETA, (DEPTH - 2) / DEPTH)
    torch.testing.assert_close((losses[0] - losses[1]) / lr, expected, rtol=1e-4, atol=0)


def test_formula_is_exact_to_first_order_in_the_learning_rate(weights, sample):
    def deviation(lr: float) -> float:
        (seen,) = feature_speed.observe(weights, BETA, *sample, [Updated.branch_out], lr)
        return float((seen.aligned_speed - feature_speed.formula(seen.sensitivity)).abs().max())

    assert deviation(1e-5) < 1e-3
    assert deviation(1e-6) == pytest.approx(deviation(1e-5) / 10, rel=0.05)


def test_second_features_move_straight_against_their_gradient_and_the_first_not_at_all(weights, sample):
    """a_2 moves by β (V_2' − V_2) q, which is parallel to −b_2; nothing below the first block moves."""
    (seen,) = feature_speed.observe(weights, BETA, *sample, [Updated.branch_out], LR)
    torch.testing.assert_close(seen.angle[1], torch.zeros(3, dtype=torch.float64), atol=1e-6, rtol=0)
    assert (seen.speed[0] == 0).all()
    assert seen.angle[0].isnan().all()


def test_angle_of_steps_on_both_has_the_floor_of_random_matrix_theory():
    r"""As β → 0 only W_k's steps move the output, by terms M b with M = V D Vᵀ, D the active half of the units.

    M is a Wishart matrix of as many degrees of freedom as half the width: tr M / m = 1, tr M² / m = 3. So each of the
    L − 2 terms moves as far along b as the others and √(3 − 1) as far across, in directions that are independent.
    """
    depth, width = 60, 300
    weights = resnet.initialise(torch.Generator().manual_seed(0), depth, width, INPUTS, 1)
    beta = torch.tensor([1e-4], dtype=torch.float64)
    x, y = torch.ones(INPUTS, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    (angle,) = feature_speed.output_angle(weights, beta, x, y, [Updated.both], 0.001)
    assert angle.tan().item() == pytest.approx((2 / (depth - 2)) ** 0.5, rel=0.08)


def test_output_angle_is_the_last_angle_observed(weights, sample):
    kinds = list(Updated)
    alone = feature_speed.output_angle(weights, BETA, *sample, kinds, LR)
    for angle, seen in zip(alone, feature_speed.observe(weights, BETA, *sample, kinds, LR), strict=True):
        assert torch.equal(angle, seen.angle[-1])


def test_measures_of_known_vectors():
    before, after = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, -4.0]])
    gradient = torch.tensor([[2.0, 0.0]])
    root = 2**0.5
    aligned, total = feature_speed.aligned_speed(before, after, gradient, 0.5), feature_speed.speed(before, after, 0.5)
    assert aligned.item() == pytest.approx(3 / (root * 0.5))
    assert total.item() == pytest.approx(5 / (root * 0.5))
    assert feature_speed.angle(aligned, total).item() == pytest.approx(np.arccos(3 / 5))
    assert feature_speed.sensitivity(gradient).item() == pytest.approx(1 / (2 * root))


def test_initial_weights_have_the_stated_variances():
    weights = resnet.initialise(torch.Generator().manual_seed(1), 12, 100, 10, 20)
    for matrix, variance in ((weights.w_in, 1 / 10), (weights.branch_out, 2 / 100), (weights.w_out, 1 / 100**2)):
        deviation = variance * (2 / matrix.numel()) ** 0.5
        assert abs(matrix.double().var().item() - variance) < 4 * deviation
