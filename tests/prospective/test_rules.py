"""The two rules of this group against their written definitions: the halving schedule, and exact target propagation."""

import pytest
import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.rules import backprop
from deepcredit.rules.options import HalvingInference
from deepcredit.rules.predictive_coding.energy import weight_gradient
from deepcredit.rules.predictive_coding.halving import infer
from deepcredit.rules.target_propagation import exact

PHI = {
    "linear": lambda z: z,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
}


def problem(n_layers: int, n_members: int = 3, batch: int = 4, width: int = 6) -> tuple[list[Tensor], Tensor, Tensor]:
    """Square matrices [E, N, N], input and target [E, B, N], float64."""
    rng = torch.Generator().manual_seed(n_layers)
    layers = [torch.randn(n_members, width, width, generator=rng, dtype=torch.float64) / 2 for _ in range(n_layers)]
    x, y = (torch.randn(n_members, batch, width, generator=rng, dtype=torch.float64) for _ in range(2))
    return layers, x, y


def one_network_by_autograd(
    layers: list[Tensor], x: Tensor, y: Tensor, act_fn: str, options: HalvingInference
) -> tuple[list[Tensor], list[Tensor], float]:
    """The schedule for one network: values when the last iteration begins, its weight gradient, the rate."""
    phi = PHI[act_fn]
    layers = [w.clone().requires_grad_() for w in layers]
    values = [x @ layers[0].T]
    for w in layers[1:-1]:
        values.append(phi(values[-1]) @ w.T)
    values = [v.detach().requires_grad_() for v in values]
    lr, energies = options.lr, []
    for t in range(options.n_steps):
        sources = [x, *(phi(v) for v in values)]
        predictions = [source @ w.T for source, w in zip(sources, layers, strict=True)]
        energy = sum(0.5 * (v - p).square().sum() for v, p in zip([*values, y], predictions, strict=True))
        found = torch.autograd.grad(energy, [*values, *layers])
        if t == options.n_steps - 1:
            return [v.detach() for v in values], list(found[len(values) :]), lr
        with torch.no_grad():
            values = [(v - lr * g).requires_grad_() for v, g in zip(values, found, strict=False)]
        energies.append(energy.item())
        if t >= 1 and not energies[-1] < energies[-2]:
            lr /= 2
    raise AssertionError("no iterations")


class TestHalving:
    @pytest.mark.parametrize("act_fn", PHI)
    @pytest.mark.parametrize("n_layers", [2, 3, 6])
    @pytest.mark.parametrize(
        "options", [HalvingInference(0.1, 1), HalvingInference(0.1, 9), HalvingInference(1.5, 12)], ids=str
    )
    def test_every_member_follows_the_schedule_of_its_own_energy(
        self, n_layers: int, act_fn: str, options: HalvingInference
    ) -> None:
        layers, x, y = problem(n_layers)
        net = MLP(6, 6, n_layers - 1, 6, act_fn)
        weights = Weights.from_layers(layers)
        z, lr = infer(net, weights, x, y, options)
        gradient = weight_gradient(net, weights, z, x, y).layers()
        for e in range(len(x)):
            values, weight_gradients, rate = one_network_by_autograd(
                [w[e] for w in layers], x[e], y[e], act_fn, options
            )
            torch.testing.assert_close(z[e], torch.stack(values), rtol=1e-9, atol=1e-11)
            assert lr[e].item() == pytest.approx(rate, rel=1e-12)
            for mine, theirs in zip(gradient, weight_gradients, strict=True):
                torch.testing.assert_close(4 * mine[e], theirs, rtol=1e-9, atol=1e-11)

    def test_members_halve_at_different_times(self) -> None:
        """One hidden unit and weights a, v: E is a parabola of curvature 1 + v², so a step lr > 2/(1 + v²) climbs."""
        v = torch.tensor([1.0, 4.0], dtype=torch.float64)
        weights = Weights.from_layers([torch.ones(2, 1, 1, dtype=torch.float64), v.reshape(2, 1, 1)])
        x = y = torch.ones(1, 1, dtype=torch.float64)
        y = y.expand(2, 1, 1) + v.reshape(2, 1, 1)
        lr = infer(MLP(1, 1, 1, 1), weights, x.expand(2, 1, 1), y, HalvingInference(0.4, 9)).lr
        # Curvature 2: 0.4 always falls. Curvature 17: 0.4, 0.4 and 0.2 climb, each is judged an iteration later, after
        # the next step; so 0.1 < 2/17 falls, is still halved for the climb before it, and 0.05 stays.
        assert lr.tolist() == pytest.approx([0.4, 0.05])

    def test_long_inference_of_a_linear_network_ends_at_its_equilibrium(self) -> None:
        """There the errors obey e_l = W_{l+1}ᵀ e_{l+1}, the condition ∂E/∂z_l = 0."""
        layers, x, y = problem(4)
        net, weights = MLP(6, 6, 3, 6), Weights.from_layers(layers)
        z = infer(net, weights, x, y, HalvingInference(0.1, 4000)).z.unbind(1)
        below = [x, *z]
        errors = [v - b @ w.mT for v, b, w in zip([*z, y], below, layers, strict=True)]
        for w, error, above in zip(layers[1:], errors, errors[1:], strict=False):
            torch.testing.assert_close(error, above @ w, atol=1e-6, rtol=0)

    def test_without_hidden_layers_the_step_is_that_of_backpropagation(self) -> None:
        layers, x, y = problem(1)
        net, weights = MLP(6, 6, 0, 6), Weights.from_layers(layers)
        z = infer(net, weights, x, y, HalvingInference()).z
        torch.testing.assert_close(
            weight_gradient(net, weights, z, x, y).w_out, backprop.gradient(net, weights, x, y).w_out
        )


class TestExactTargetPropagation:
    def stepped(self, layers: list[Tensor], x: Tensor, y: Tensor, lr: float) -> tuple[list[Tensor], list[Tensor]]:
        """Feed-forward values before and after one step."""
        step = exact.direction(layers, x, y)
        moved = [w - lr * g for w, g in zip(layers, step, strict=True)]
        return exact.states(layers, x), exact.states(moved, x)

    def test_errors_are_undone_by_the_weights(self) -> None:
        layers, x, y = problem(4)
        values = exact.states(layers, x)
        errors = exact.errors(layers, values, y)
        torch.testing.assert_close(errors[-1], values[-1] - y)
        for w, below, above in zip(layers[1:], errors, errors[1:], strict=False):
            torch.testing.assert_close(below @ w.mT, above)

    @pytest.mark.parametrize("lr", [0.001, 0.1])
    def test_output_moves_along_the_line_to_the_target_by_the_closed_form(self, lr: float) -> None:
        """c_1 = η‖x_0‖², c_{l+1} = c_l (1 − η⟨e_l, x_l⟩) + η‖x_l‖², and x_L moves by −c_L e_L; one sample."""
        layers, x, y = problem(5, batch=1)
        before, after = self.stepped(layers, x, y, lr)
        errors = exact.errors(layers, before, y)
        c = lr * before[0].square().sum((1, 2))
        for error, value in zip(errors[:-1], before[1:], strict=False):
            c = c * (1 - lr * (error * value).sum((1, 2))) + lr * value.square().sum((1, 2))
        torch.testing.assert_close(after[-1] - before[-1], -c[:, None, None] * errors[-1], rtol=1e-7, atol=1e-9)

    def test_overshoot_below_one_moves_towards_the_target_and_above_one_may_not(self) -> None:
        rng = torch.Generator().manual_seed(7)
        layers = [torch.randn(400, 3, 3, generator=rng, dtype=torch.float64) for _ in range(4)]
        x, y = (torch.randn(400, 1, 3, generator=rng, dtype=torch.float64) for _ in range(2))
        before, after = self.stepped(layers, x, y, 0.1)
        towards = ((after[-1] - before[-1]) * (y - before[-1])).sum((1, 2)) > 0
        small = 0.1 * exact.overshoot(layers, x, y) < 1
        assert 50 < small.sum() < 350
        assert towards[small].all()
        assert not towards[~small].all()

    def test_overshoot_and_condition_number_of_diagonal_matrices(self) -> None:
        """x_1 = (1, 1), x_2 = (2, ¼); e_2 = (2, ¼) − (1, 1) = (1, −¾), e_1 = (½, −3); ⟨e_1, x_1⟩ = −2.5."""
        layers = [torch.eye(2)[None], torch.diag(torch.tensor([2.0, 0.25]))[None]]
        x, y = torch.ones(1, 1, 2), torch.ones(1, 1, 2)
        assert exact.overshoot(layers, x, y).item() == pytest.approx(-2.5)
        assert exact.condition_number(layers).item() == pytest.approx(8)

    def test_single_layer_inverts_nothing_and_steps_like_backpropagation(self) -> None:
        layers, x, y = problem(1)
        gradient = backprop.gradient(MLP(6, 6, 0, 6), Weights.from_layers(layers), x, y).w_out
        torch.testing.assert_close(exact.direction(layers, x, y)[0], 4 * gradient)
        assert exact.overshoot(layers, x, y).tolist() == [0, 0, 0]
        assert exact.condition_number(layers).tolist() == [1, 1, 1]

    def test_orthogonal_matrices_make_it_backpropagation(self) -> None:
        """The pseudo-inverse of an orthogonal matrix is its transpose."""
        layers, x, y = problem(4)
        layers = [torch.linalg.qr(w)[0] for w in layers]
        gradient = backprop.gradient(MLP(6, 6, 3, 6), Weights.from_layers(layers), x, y).layers()
        for mine, theirs in zip(exact.direction(layers, x, y), gradient, strict=True):
            torch.testing.assert_close(mine, 4 * theirs)

    def test_states_are_the_feedforward_values(self) -> None:
        layers, x, _ = problem(3)
        z, prediction = feedforward(MLP(6, 6, 2, 6), Weights.from_layers(layers), x)
        torch.testing.assert_close(torch.stack(exact.states(layers, x)[1:-1], 1), z)
        torch.testing.assert_close(exact.states(layers, x)[-1], prediction)
