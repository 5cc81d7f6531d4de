"""Initialisation: moments in closed form, orthogonality, and that a member's weights are its seed's alone."""

import pytest
import torch

from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.init import Stream, draw_weights, generator, training_gain
from deepcredit.nets.mlp import MLP
from deepcredit.nets.names import Init

NET = MLP(input_size=300, width=200, n_hidden=3, output_size=100)
STD = {
    Init.standard: lambda n_out, n_in: (3 * n_in) ** -0.5,
    Init.standard_gauss: lambda n_out, n_in: 1.0,
    Init.one_over_N: lambda n_out, n_in: n_in**-0.5,
    Init.xavier_uniform: lambda n_out, n_in: (2 / (n_in + n_out)) ** 0.5,
    Init.orthogonal: lambda n_out, n_in: max(n_in, n_out) ** -0.5,
}


@pytest.mark.parametrize("init", Init)
def test_standard_deviation_of_every_layer(init: Init) -> None:
    for w, shape in zip(draw_weights(NET, init, [0]).layers(), NET.layer_shapes, strict=True):
        # the standard error of a standard deviation over n entries is at most std / sqrt(n)
        assert w.std().item() == pytest.approx(STD[init](*shape), rel=4 * w.numel() ** -0.5)
        assert abs(w.mean().item()) < 4 * w.std().item() * w.numel() ** -0.5


def test_uniform_weights_keep_within_their_bounds() -> None:
    for w, (_, n_in) in zip(draw_weights(NET, Init.standard, [0]).layers(), NET.layer_shapes, strict=True):
        assert 0.99 * n_in**-0.5 < w.abs().max() <= n_in**-0.5
    for w, (n_out, n_in) in zip(draw_weights(NET, Init.xavier_uniform, [0]).layers(), NET.layer_shapes, strict=True):
        assert 0.99 < w.abs().max() / (6 / (n_in + n_out)) ** 0.5 <= 1


def test_orthogonal_weights_have_orthonormal_rows_or_columns() -> None:
    for w in draw_weights(NET, Init.orthogonal, [0], gain=1.05, dtype=torch.float64).layers():
        small = w[0] if w.shape[1] <= w.shape[2] else w[0].T
        torch.testing.assert_close(small @ small.T, 1.05**2 * torch.eye(len(small), dtype=w.dtype))


@pytest.mark.parametrize("init", Init)
def test_weights_of_a_member_depend_on_its_seed_alone(init: Init) -> None:
    together = draw_weights(NET, init, [5, 0, 7])
    alone = draw_weights(NET, init, [0])
    assert all(torch.equal(w[1:2], v) for w, v in zip(together, alone, strict=True))
    assert not torch.equal(together.w_hid[0], together.w_hid[1])


def test_streams_of_a_seed_are_different() -> None:
    drawn = [torch.rand(4, generator=generator(seed, stream)) for seed in (0, 1) for stream in Stream]
    assert len({tuple(d.tolist()) for d in drawn}) == len(drawn)


def test_only_orthogonal_tanh_networks_train_with_a_gain() -> None:
    gains = {(a, i): training_gain(a, i) for a in ACTIVATIONS.names for i in Init if training_gain(a, i) != 1}
    assert gains == {("tanh", Init.orthogonal): 1.05}
