"""Networks: scalings and sizes in closed form, the forward pass against a network written with torch.nn."""

import itertools

import pytest
import torch

from deepcredit.core.errors import UserError
from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.nets.names import Init, Parameterisation

MODULE = {
    "linear": torch.nn.Identity(),
    "tanh": torch.nn.Tanh(),
    "relu": torch.nn.ReLU(),
    "sigmoid": torch.nn.Sigmoid(),
    "gelu": torch.nn.GELU(),
    "silu": torch.nn.SiLU(),
}


@pytest.mark.parametrize(
    ("parameterisation", "skips", "expected"),
    [
        ("sp", True, (1, 1, 1)),
        ("orthogonal", False, (1, 1, 1)),
        ("ntp", False, (1 / 10, 1 / 8, 1 / 8)),
        ("ntp", True, (1 / 10, 1 / 16, 1 / 8)),
        ("mupc", False, (1 / 10, 1 / 8, 1 / 64)),
        ("mupc", True, (1 / 10, 1 / 16, 1 / 64)),
        ("depth_mup", True, (1 / 10, 1 / 16, 1 / 64)),
    ],
)
def test_scalings_are_those_of_the_table(parameterisation: str, skips: bool, expected: tuple[float, ...]) -> None:
    net = MLP(100, 64, 3, 10, "relu", Parameterisation(parameterisation), skips)
    assert (net.a_in, net.a_hid, net.a_out) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(("act_fn", "n_hidden", "skips"), list(itertools.product(MODULE, [0, 1, 2, 5], [False, True])))
def test_forward_pass_is_that_of_torch_modules(act_fn: str, n_hidden: int, skips: bool) -> None:
    net = MLP(6, 4, n_hidden, 3, act_fn, Parameterisation.mupc, skips)
    weights = draw_weights(net, Init.standard_gauss, [0, 1], dtype=torch.float64)
    x = torch.randn(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    z, prediction = feedforward(net, weights, x)
    assert z.shape == (2, n_hidden, 5, 4)
    for member in range(2):
        h = x
        for layer, (w, a) in enumerate(zip(weights.layers(), net.scalings, strict=True)):
            residual = h
            out = a * torch.nn.functional.linear(MODULE[act_fn](h) if layer else h, w[member])
            h = out + residual if skips and 0 < layer < n_hidden else out
            if layer < n_hidden:
                torch.testing.assert_close(z[member, layer], h)
        torch.testing.assert_close(prediction[member], h)


@pytest.mark.parametrize("n_hidden", [0, 1, 2, 4])
def test_layers_of_a_stack_survive_unstacking(n_hidden: int) -> None:
    net = MLP(6, 4, n_hidden, 3)
    weights = draw_weights(net, Init.standard, [3, 4])
    again = Weights.from_layers(weights.layers())
    for w, copy in zip(weights, again, strict=True):
        assert torch.equal(w, copy)
    assert [tuple(w.shape[1:]) for w in weights.layers()] == net.layer_shapes


@pytest.mark.parametrize("size", [{"width": 0}, {"n_hidden": -1}, {"input_size": 0}, {"output_size": -3}])
def test_a_network_without_units_is_refused_by_name(size: dict[str, int]) -> None:
    (name,) = size
    with pytest.raises(UserError, match=name):
        MLP(**({"input_size": 6, "width": 4, "n_hidden": 1, "output_size": 3} | size))
