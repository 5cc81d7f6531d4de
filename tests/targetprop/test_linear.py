"""Fundamental subspaces, targets and steps of a linear network: defining properties, and hand calculation."""

import itertools
import math

import numpy as np
import pytest
import torch

from deepcredit.core.errors import UserError
from deepcredit.rules.linear import updates
from deepcredit.rules.linear_backprop import output_gradients
from deepcredit.rules.target_propagation import exact, linear
from deepcredit.studies.targetprop.experiments import tp_linear
from deepcredit.studies.targetprop.schemas.tp_linear import (
    TpLinear,
    TpLinearModel,
    TpLinearOptimizer,
)
from deepcredit.theory.subspaces import subspaces

R5 = math.sqrt(5)


def of_rank(m: int, n: int, rank: int, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    left, right = (torch.randn(size, generator=rng, dtype=torch.float64) for size in ((m, rank), (rank, n)))
    return left @ right


@pytest.mark.parametrize(("m", "n", "rank"), [(4, 3, 2), (3, 5, 1), (3, 3, 3), (2, 4, 0)])
def test_subspaces_have_their_defining_properties(m: int, n: int, rank: int) -> None:
    matrix = of_rank(m, n, rank, seed=7)
    found = subspaces(matrix)
    assert [basis.shape[1] for basis in found] == [rank, n - rank, rank, m - rank]
    assert torch.allclose(matrix @ found.kernel, torch.zeros(m, n - rank, dtype=matrix.dtype), atol=1e-12)
    assert torch.allclose(matrix.T @ found.cokernel, torch.zeros(n, m - rank, dtype=matrix.dtype), atol=1e-12)
    assert torch.allclose(found.image @ found.image.T @ matrix, matrix, atol=1e-12)
    assert torch.allclose(matrix @ found.coimage @ found.coimage.T, matrix, atol=1e-12)
    for pair in ((found.image, found.cokernel), (found.coimage, found.kernel)):
        whole = torch.cat(pair, dim=1)
        assert torch.allclose(whole.T @ whole, torch.eye(len(whole), dtype=matrix.dtype), atol=1e-12)


def test_subspaces_of_the_sources_matrix() -> None:
    """(1, 0) ⊗ (1, 2)/√5 reaches the first axis, reads along (1, 2) and loses (2, −1)."""
    matrix = torch.tensor([[1.0, 2.0], [0.0, 0.0]], dtype=torch.float64) / R5
    expected = {"image": (1, 0), "cokernel": (0, 1), "coimage": (1 / R5, 2 / R5), "kernel": (2 / R5, -1 / R5)}
    found = subspaces(matrix)
    for name, vector in expected.items():
        cosine = getattr(found, name)[:, 0] @ torch.tensor(vector, dtype=torch.float64)
        assert abs(cosine.item()) == pytest.approx(1, abs=1e-12)


def random_network(sizes: list[int], seed: int = 0) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """Layers [1, out, in], input [1, 3, in] and target [1, 3, out] in float64."""
    rng = torch.Generator().manual_seed(seed)
    shapes = [(1, out, below) for below, out in itertools.pairwise(sizes)]
    layers = [torch.randn(shape, generator=rng, dtype=torch.float64) for shape in shapes]
    x, y = (torch.randn((1, 3, size), generator=rng, dtype=torch.float64) for size in (sizes[0], sizes[-1]))
    return layers, x, y


def test_targets_are_those_of_the_formula() -> None:
    """t_l = x_l − W⁺ x_{l+1} + W⁺ t_{l+1}, written out sample by sample."""
    layers, x, y = random_network([4, 3, 3, 2])
    values = exact.states(layers, x)
    errors = linear.target_errors(layers, values, y, target_lr=0.4)
    for sample in range(3):
        states = [value[0, sample].numpy() for value in values]
        target = states[-1] - 0.4 * (states[-1] - y[0, sample].numpy())
        for index in (2, 1, 0):
            assert states[index + 1] - errors[index + 1][0, sample].numpy() == pytest.approx(target)
            inverse = np.linalg.pinv(layers[index][0].numpy())
            target = states[index] - inverse @ states[index + 1] + inverse @ target
        assert states[0] - errors[0][0, sample].numpy() == pytest.approx(target)


def test_a_layer_at_its_target_sends_the_next_to_its_own() -> None:
    """Where W has full row rank, W t_l = t_{l+1}: no target is out of reach."""
    layers, x, y = random_network([5, 4, 3])
    values = exact.states(layers, x)
    targets = [v - e for v, e in zip(values, linear.target_errors(layers, values, y, 0.3), strict=True)]
    for weight, below, above in zip(layers, targets[:-1], targets[1:], strict=True):
        assert torch.allclose(below @ weight.mT, above, atol=1e-10)


def test_gradients_and_backpropagation_step_are_those_of_automatic_differentiation() -> None:
    layers, x, y = random_network([4, 3, 3, 2])
    tracked = [weight.clone().requires_grad_() for weight in layers]
    values = exact.states(tracked, x.clone().requires_grad_())
    loss = (values[-1] - y).square().sum() / 2
    wanted = torch.autograd.grad(loss, [*values, *tracked], retain_graph=True)
    states = [value.detach() for value in values]
    gradients = output_gradients(layers, states, y)
    steps = updates(gradients, states, lr=0.25)
    for found, expected in zip([*gradients, *(step / -0.25 for step in steps)], wanted, strict=True):
        assert torch.allclose(found, expected, atol=1e-12)


def config(n_steps: int = 8, **kwargs: object) -> TpLinear:
    return TpLinear(optimizer=TpLinearOptimizer(n_steps=n_steps), **kwargs)  # type: ignore[arg-type]


def test_first_state_and_targets_by_hand() -> None:
    """x_1 = (v·x_0, 0) with v = (1, 2)/√5; t_2 = x_2 + 0.3 (y − x_2); t_1 = x_1 + v (t_2 − x_2)_1."""
    state = tp_linear.run(config()).sel(rule="tp").isel(step=0)
    first = (-1.5 - 2.3) / R5
    second = first / R5
    error = 0.3 * (1 - second)
    below = error / R5 * np.array([1, 2])
    assert state.activation.values == pytest.approx(np.array([[-1.5, -1.15], [first, 0], [second, 0]]))
    expected = [
        np.array([-1.5, -1.15]) + below[0] * np.array([1, 2]) / R5,
        np.array([first, 0]) + below,
        np.array([second + error, 0.15]),
    ]
    assert state.target.values == pytest.approx(np.array(expected))
    assert state.loss.item() == pytest.approx(((second - 1) ** 2 + 0.25) / 2)


def test_layer_1_moves_along_its_target_by_lr_times_the_squared_input() -> None:
    """W_1 x_0 changes by η (t_1 − x_1) ‖x_0‖² under target propagation, at every step."""
    found = tp_linear.run(config()).sel(rule="tp", matrix=1)
    assert found.move_cosine.values == pytest.approx(1, abs=1e-9)
    assert found.move_ratio.values == pytest.approx(0.3 * (1.5**2 + 1.15**2))


def test_weights_follow_their_updates_and_each_rule_its_own_state() -> None:
    both = tp_linear.run(config())
    change = both.weight.diff("step", label="lower")
    assert np.allclose(change, both.weight_update.isel(step=slice(None, -1)))
    for rule in ("tp", "bp"):
        alone = tp_linear.run(config(rule=[rule])).squeeze("rule")
        assert alone.weight.values == pytest.approx(both.weight.sel(rule=rule).values, abs=0)


def test_updates_have_rank_one_and_their_row_space_is_the_state_below() -> None:
    found = tp_linear.run(config())
    values = np.linalg.svd(found.weight_update.values, compute_uv=False)
    assert (values[..., 1] < 1e-12 * values[..., 0]).all()
    below = found.activation.sel(layer=[0, 1]).values
    cosine = (found.update_row_space.values * below).sum(-1) / np.linalg.norm(below, axis=-1)
    assert np.abs(cosine) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TpLinear(seed=[1]), "seed=[1] is not valid; allowed: [0], because nothing is drawn at random"),
        (lambda: TpLinearModel(left=[0.0, 0.0]), "model.left=[0.0, 0.0] is not valid"),
        (
            lambda: config(rule_options={"target_lr": 0.0}),
            "rule_options.target_lr=0.0 is not valid",
        ),
        (lambda: config(rule=[]), "rule=[] is not valid"),
        (lambda: config(rule=["pc"]), "rule='pc' is not valid; allowed: bp, tp"),
    ],
)
def test_settings_that_make_no_sense_are_named(make: object, said: str) -> None:
    with pytest.raises(UserError) as error:
        make()  # type: ignore[operator]
    assert str(error.value).startswith(said)
