"""Affine networks, learned inverses and their training: automatic differentiation of the losses as they are defined."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from deepcredit.core.errors import UserError
from deepcredit.data import ring
from deepcredit.nets import affine
from deepcredit.nets.affine import Affine, Draws, Errors
from deepcredit.rules.target_propagation import learned
from deepcredit.rules.target_propagation.learned import Inverses
from deepcredit.rules.target_propagation.options import InverseOptions
from deepcredit.studies.targetprop.experiments import tp_learned_inverse as experiment
from deepcredit.studies.targetprop.schemas.tp_learned_inverse import (
    TpLearnedData,
    TpLearnedInverse,
    TpLearnedModel,
    TpLearnedOptimizer,
)

B, D, N, K, H = 6, 5, 4, 3, 4


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def _float64() -> object:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def net() -> Affine:
    return affine.initialise((D, N, K), H, Draws(0.6, 0.1, generator()))


@pytest.fixture
def inverses() -> Inverses:
    return learned.initialise(H, N, Draws(0.8, 0.1, generator(4)))


@pytest.fixture
def x_BD() -> Tensor:
    return torch.randn((B, D), generator=generator(5))


def parameters(net: Affine) -> list[tuple[Tensor, Tensor]]:
    """W_l and b_l of l = 1…L."""
    hidden = zip(net.w_hid, net.b_hid, strict=True)
    return [(net.w_in, net.b_in), *hidden, (net.w_out, net.b_out)]


def plain_states(layers: list[tuple[Tensor, Tensor]], x: Tensor) -> list[Tensor]:
    """x_0 … x_L by the definition."""
    states = [x]
    for weight, bias in layers:
        states.append(states[-1] @ weight.T + bias)
    return states


def hidden_states(net: Affine, x_BD: Tensor) -> tuple[Tensor, Tensor]:
    x_HBN = torch.empty(H, B, N)
    return x_HBN, affine.forward(net, x_BD, x_HBN)


def test_weights_are_cut_off_at_two_deviations() -> None:
    draws = affine.truncated_normal((200_000,), 0.01, generator())
    assert draws.abs().max() <= 0.02
    assert draws.mean().item() == pytest.approx(0, abs=1e-4)
    assert draws.std().item() == pytest.approx(0.01 * 0.8796, rel=0.01)  # √(1 − 4 φ(2)/(2 Φ(2) − 1))


def test_forward_pass_is_its_definition(net: Affine, x_BD: Tensor) -> None:
    x_HBN, out = hidden_states(net, x_BD)
    expected = plain_states(parameters(net), x_BD)
    assert torch.allclose(x_HBN, torch.stack(expected[1:-1]))
    assert torch.allclose(out, expected[-1])


def test_composed_map_is_the_network(net: Affine, x_BD: Tensor) -> None:
    weight, bias = affine.composed(net)
    assert torch.allclose(x_BD @ weight.T + bias, hidden_states(net, x_BD)[1])


def test_pull_back_and_descent_are_gradient_descent(net: Affine, x_BD: Tensor) -> None:
    layers = [(w.clone().requires_grad_(), b.clone().requires_grad_()) for w, b in parameters(net)]
    states = plain_states(layers, x_BD)
    loss = states[-1].pow(3).sum()
    flat = [tensor for layer in layers for tensor in layer]
    wanted = torch.autograd.grad(loss, [*states[1:-1], *flat])
    x_HBN, out = hidden_states(net, x_BD)
    gradient_HBN = torch.empty(H, B, N)
    affine.pull_back(net, 3 * out.square(), gradient_HBN)
    assert torch.allclose(gradient_HBN, torch.stack(wanted[:H]))
    affine.descend(net, x_BD, Errors(x_HBN, gradient_HBN, 3 * out.square()), lr=0.2)
    found = [tensor for layer in parameters(net) for tensor in layer]
    for after, before, gradient in zip(found, flat, wanted[H:], strict=True):
        assert torch.allclose(after, before - 0.2 * gradient)


def defined_targets(net: Affine, inverses: Inverses, states: list[Tensor], top: Tensor, alpha: float) -> list[Tensor]:
    """t_1 … t_L as the definition says, with σ taken twice and subtracted."""
    targets = [states[-2] - alpha * top @ net.w_out, states[-1] - alpha * top]
    for layer in range(H - 1, 0, -1):
        weight, bias = inverses.weight[layer - 1], inverses.bias[layer - 1]
        moved = torch.sigmoid(targets[0] @ weight.T + bias) - torch.sigmoid(states[layer + 1] @ weight.T + bias)
        targets.insert(0, states[layer] + moved)
    return targets


def test_target_errors_are_activations_minus_targets(net: Affine, inverses: Inverses, x_BD: Tensor) -> None:
    x_HBN, out = hidden_states(net, x_BD)
    top = torch.randn((B, K), generator=generator(6))
    error_HBN = torch.empty(H, B, N)
    top_error = learned.target_errors(net, inverses, x_HBN, top, 0.7, error_HBN)
    states = [x_BD, *x_HBN, out]
    targets = defined_targets(net, inverses, states, top, alpha=0.7)
    errors = [state - target for state, target in zip(states[1:], targets, strict=True)]
    assert torch.allclose(error_HBN, torch.stack(errors[:-1]))
    assert torch.allclose(top_error, errors[-1])


def test_small_differences_are_not_lost_to_cancellation(net: Affine, inverses: Inverses, x_BD: Tensor) -> None:
    """With errors far below the precision of a sigmoid, the difference is the derivative: σ'(a) V_l e_l."""
    x_HBN, _ = hidden_states(net, x_BD)
    error_HBN = torch.empty(H, B, N)
    learned.target_errors(net, inverses, x_HBN, torch.ones(B, K), 1e-25, error_HBN)
    returned = torch.sigmoid(x_HBN[-1] @ inverses.weight[-1].T + inverses.bias[-1])
    expected = returned * (1 - returned) * (error_HBN[-1] @ inverses.weight[-1].T)
    assert torch.allclose(error_HBN[-2], expected, rtol=1e-10, atol=0)


def test_saturated_inverses_give_differences_of_one(net: Affine, inverses: Inverses, x_BD: Tensor) -> None:
    x_HBN, _ = hidden_states(net, x_BD)
    error_HBN = torch.empty(H, B, N)
    learned.target_errors(net, inverses, x_HBN, torch.ones(B, K), 1e8, error_HBN)
    below_HBN = error_HBN[:-1]
    assert bool((below_HBN.abs() <= 1).all())
    returned = torch.sigmoid(x_HBN[-1] @ inverses.weight[-1].T + inverses.bias[-1])
    sign = torch.sign(error_HBN[-1] @ inverses.weight[-1].T)
    assert torch.allclose(below_HBN[-1], torch.where(sign > 0, returned, returned - 1))


def test_layer_gradients_are_those_of_the_layer_losses() -> None:
    """½ mean (x_l − t_l)² over batch and units, with the target a constant."""
    x = torch.randn((H, B, N), generator=generator(7)).requires_grad_()
    top = torch.randn((B, K), generator=generator(8)).requires_grad_()
    losses = learned.layer_losses(x)
    assert torch.allclose(losses, torch.stack([layer.square().mean() / 2 for layer in x]))
    wanted = torch.autograd.grad(losses.sum() + top.square().mean() / 2, (x, top))
    for found, expected in zip(learned.layer_gradients(x.detach(), top.detach()), wanted, strict=True):
        assert torch.allclose(found, expected)


def test_inverses_descend_on_the_inverse_losses(net: Affine, inverses: Inverses, x_BD: Tensor) -> None:
    """One draw of noise for all samples, ε on the way up and ε' on what is to be found again."""
    x_HBN, _ = hidden_states(net, x_BD)
    noise = 0.5 * torch.randn((2, H - 1, 1, N), generator=generator(9))
    weight, bias = (tensor.clone().requires_grad_() for tensor in (inverses.weight, inverses.bias))
    losses = []
    for index in range(H - 1):
        hidden = torch.sigmoid(x_HBN[index + 1] + noise[0, index])
        guess = torch.sigmoid(hidden @ weight[index].T + bias[index])
        losses.append((guess - (x_HBN[index] + noise[1, index])).square().mean() / 2)
    wanted = torch.autograd.grad(torch.stack(losses).sum(), (weight, bias))
    found = learned.train_inverses(inverses, x_HBN, lr=0.3, std=0.5, generator=generator(9))
    assert torch.allclose(found, torch.stack(losses))
    assert torch.allclose(inverses.weight, weight - 0.3 * wanted[0])
    assert torch.allclose(inverses.bias, bias - 0.3 * wanted[1])


@pytest.mark.parametrize(("iteration", "std"), [(0, 10.0), (100, 5.0), (900, 1.0)])
def test_noise_shrinks_with_the_iterations(iteration: int, std: float) -> None:
    assert learned.noise_std(iteration) == pytest.approx(std)


def test_a_rule_at_work_takes_the_steps_above_with_noise_that_shrinks(net: Affine, x_BD: Tensor) -> None:
    y_BK, options = torch.zeros(B, K), InverseOptions(target_lr=0.7, inverse_lr=0.3)
    ours, theirs = (Draws(0.8, 0.1, generator(4)) for _ in range(2))
    learner = learned.Learner(net, B, options, ours, lambda out, y: out - y)
    inverses = learned.initialise(H, N, theirs)
    x_HBN, out = hidden_states(net, x_BD)
    error_HBN = torch.empty(H, B, N)
    for std in (10.0, 10.0 / 1.01):
        found = learner.learn(x_BD, y_BK)
        top = learned.target_errors(net, inverses, x_HBN, out, 0.7, error_HBN)
        losses = learned.train_inverses(inverses, x_HBN, 0.3, std, theirs.generator)
        for mine, expected in zip(found, (x_HBN, *learned.layer_gradients(error_HBN, top)), strict=True):
            assert torch.equal(mine, expected)
        assert torch.equal(learner.observed["inverse_loss"], losses)
        assert torch.equal(learner.observed["layer_loss"], learned.layer_losses(error_HBN))


Loss = Callable[[Tensor, Tensor], Tensor]


@pytest.mark.parametrize(
    ("ours", "gradient", "reference"),
    [
        (experiment.cross_entropy, experiment.cross_entropy_gradient, torch.nn.functional.cross_entropy),
        (
            experiment.half_mean_square,
            experiment.half_mean_square_gradient,
            lambda out, y: torch.nn.functional.mse_loss(out, y) / 2,
        ),
    ],
)
def test_losses_and_their_gradients(ours: Loss, gradient: Loss, reference: Loss) -> None:
    out = torch.randn((B, K), generator=generator()).requires_grad_()
    y = torch.eye(K)[torch.randint(K, (B,), generator=generator())]
    assert torch.allclose(ours(out, y), reference(out, y))
    assert torch.allclose(gradient(out.detach(), y), torch.autograd.grad(reference(out, y), out)[0])


# --- the ring -----------------------------------------------------------------------------------------------------


def test_ring_is_a_square_grid_with_a_ring_of_15_percent() -> None:
    data = ring.load()
    assert data.points.shape == (2500, 2)
    assert np.array_equal(data.points.min(0), [-2, -2])
    assert np.array_equal(data.points.max(0), [2, 2])
    assert len(np.unique(data.points, axis=0)) == 2500
    assert 100 * (1 - data.on_ring.mean()) == pytest.approx(84.8)


def test_ring_targets_follow_the_radius() -> None:
    data = ring.load(9)  # a point every half: (1, 0) is on the ring, (0.5, 0.5) and (1, 1) are not
    by_point = {tuple(point): tuple(target) for point, target in zip(data.points, data.targets, strict=True)}
    assert by_point[(1.0, 0.0)] == by_point[(0.0, -1.0)] == (1, 0)
    assert by_point[(0.5, 0.5)] == by_point[(1.0, 1.0)] == by_point[(0.0, 0.0)] == (-1, 0)


# --- training -----------------------------------------------------------------------------------------------------


def config(rule: str, seeds: list[int], lr: float = 0.5, n_steps: int = 40) -> TpLearnedInverse:
    return TpLearnedInverse(
        seed=seeds,
        model=TpLearnedModel(width=10, weight_std=0.1),
        rule=rule,
        optimizer=TpLearnedOptimizer(lr, n_steps, record_every=20),
        data=TpLearnedData("ring", batch_size=20),
    )


@pytest.mark.parametrize("rule", ["bp", "tp"])
def test_a_seed_is_the_same_in_any_company(rule: str) -> None:
    torch.set_default_dtype(torch.float32)
    together, alone = (experiment.run(config(rule, seeds)) for seeds in ([0, 5], [5]))
    assert alone.identical(together.sel(seed=[5]))
    assert not np.array_equal(together.loss.sel(seed=0), together.loss.sel(seed=5))


def test_backpropagation_on_the_ring_ends_at_the_least_squares_line() -> None:
    """The best affine function of a point on a grid symmetric around 0 is the mean target: loss Var(±1)/4."""
    torch.set_default_dtype(torch.float32)
    found = experiment.run(config("bp", [0], lr=0.1, n_steps=2000)).isel(seed=0, step=-1)
    assert found.loss.item() == pytest.approx((1 - (2 * 0.152 - 1) ** 2) / 4, rel=0.02)
    assert found.accuracy.item() == pytest.approx(84.8)
    assert found.majority_accuracy.item() == pytest.approx(84.8)


def test_only_target_propagation_has_layer_and_inverse_losses() -> None:
    torch.set_default_dtype(torch.float32)
    bp, tp = (experiment.run(config(rule, [0])).isel(seed=0) for rule in ("bp", "tp"))
    assert bool(bp.layer_loss.isnull().all())
    assert bool(bp.inverse_loss.isnull().all())
    assert bool((tp.layer_loss.isel(step=slice(1, None)) > 0).all())
    assert tp.inverse_loss.inverse_layer.values.tolist() == [2, 3, 4]
    assert bool(tp.inverse_loss.isel(step=0).isnull().all())  # nothing comes before the first record


def test_divergence_is_recorded_and_ends_training() -> None:
    torch.set_default_dtype(torch.float32)
    found = experiment.run(config("bp", [0], lr=1e6, n_steps=60)).isel(seed=0)
    assert found.diverged_at.item() == 20
    assert found.loss.isnull().values.tolist() == [False, True, True, True]
    assert found.accuracy.isnull().values.tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: TpLearnedInverse(rule_options={"target_lr": 1.0}),
            "rule_options.target_lr=1.0 is no option of bp; allowed: none",
        ),
        (
            lambda: TpLearnedInverse(rule="tp", rule_options={"target_lr": 0.0}),
            "rule_options.target_lr=0.0 is not valid; allowed: a positive number",
        ),
        (
            lambda: TpLearnedInverse(rule="tp", rule_options={"inverse_rl": 1.0}),
            "rule_options.inverse_rl=1.0 is no option of tp (did you mean 'inverse_lr'?); allowed: target_lr",
        ),
        (
            lambda: TpLearnedInverse(rule="tp", rule_options={"inverse_lr": "fast"}),
            "rule_options.inverse_lr: Value 'fast' of type 'str' could not be converted to Float",
        ),
        (
            lambda: TpLearnedModel(num_layers=2),
            "model.num_layers=2 is not valid; allowed: a whole number of at least 3",
        ),
        (lambda: TpLearnedOptimizer(n_steps=10, record_every=3), "optimizer.record_every=3 is not valid"),
    ],
)
def test_settings_that_make_no_sense_are_named(make: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError) as error:
        make()
    assert str(error.value).startswith(said)
