"""Predictive coding against numbers of the source's own library: every .npz of the folder `--oracles DIR`.

A reader goes by the keys of a file (tests/oracles/README.md), so any folder of such files will do.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.nets.names import Algorithm, Parameterisation
from deepcredit.rules.predictive_coding.energy import activity_gradient, energy, layer_energies, weight_gradient
from deepcredit.rules.predictive_coding.equilibrium import equilibrium
from deepcredit.rules.predictive_coding.inference import infer
from deepcredit.rules.predictive_coding.options import Inference
from deepcredit.theory.hessian import hessian_at_start


class Case:
    """One file: the network it describes, and its arrays with a leading axis of one member."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self.arrays: dict[str, np.ndarray] = dict(arrays)
        self.n_hidden = int(self["H"])
        self.decay = float(self["activity_decay"])
        self.x, self.y = self.tensor("x"), self.tensor("y")
        layers = [self.tensor(f"W{layer}") for layer in range(1, self.n_hidden + 2)]
        self.weights = Weights.from_layers(layers)
        self.net = MLP(
            input_size=self.x.shape[-1],
            width=layers[0].shape[1],
            n_hidden=self.n_hidden,
            output_size=self.y.shape[-1],
            act_fn=str(self["act"]),
            parameterisation=Parameterisation(str(self["param"])),
            skips=bool(self["skips"]),
        )

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def tensor(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[key]).unsqueeze(0)

    def states(self, stem: str) -> Tensor:
        """The hidden layers' arrays `stem1` … `stemH`, [1, H, B, N]."""
        return torch.stack([self.tensor(f"{stem}{layer}") for layer in range(1, self.n_hidden + 1)], 1)

    def needs(self, key: str) -> None:
        if key not in self.arrays:
            pytest.skip(f"this case has no {key}")


@pytest.fixture
def case(oracle_file: Path) -> Case:
    return Case(oracle_file)


def assert_equal(found: Tensor, expected: Any, tolerance: float = 1e-9) -> None:
    """Equal to `tolerance`, relative to the largest entry of the array expected.

    Or to 1e-15: errors are differences of numbers of order one, and some are as small as their rounding.
    """
    expected = torch.as_tensor(expected, dtype=torch.float64)
    difference = (found.squeeze(0) - expected.squeeze(0)).abs().max()
    assert difference <= tolerance * expected.abs().max() + 1e-15


def test_feedforward_values(case: Case) -> None:
    z, prediction = feedforward(case.net, case.weights, case.x)
    assert_equal(z, case.states("ff_z"))
    assert_equal(prediction, case.tensor(f"ff_z{case.n_hidden + 1}"))


def test_energy_of_every_layer(case: Case) -> None:
    found = layer_energies(case.net, case.weights, case.states("pert_z"), case.x, case.y)
    output_first = case["pert_energy_layers_reversed"]
    expected = np.concatenate([output_first[-1:], output_first[1:-1], output_first[:1]])
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-9)


def test_activity_gradient(case: Case) -> None:
    found = activity_gradient(case.net, case.weights, case.states("pert_z"), case.x, case.y, case.decay)
    assert_equal(found, case.states("pert_grad_z"))


def infer_and_differentiate(case: Case, options: Inference) -> dict[str, Tensor]:
    """Activities and weight gradients after inference, by the key of the file less its stem."""
    return with_weight_gradient(case, infer(case.net, case.weights, case.x, case.y, options).z)


def with_weight_gradient(case: Case, z: Tensor) -> dict[str, Tensor]:
    gradient = weight_gradient(case.net, case.weights, z, case.x, case.y)
    found = {f"z{layer}": state for layer, state in enumerate(z.unbind(1), start=1)}
    return found | {f"gradW{layer}": g for layer, g in enumerate(gradient.layers(), start=1)}


def test_gradient_descent_and_the_weight_gradient_after_it(case: Case) -> None:
    options = Inference(steps=7, learning_rate=0.3, activity_decay=case.decay)
    for key, found in infer_and_differentiate(case, options).items():
        assert_equal(found, case.tensor(f"gd7_{key}"))


def test_adam_and_the_weight_gradient_after_it(case: Case) -> None:
    """Adam divides a gradient by its own size, so it amplifies a gradient that is zero but for rounding to full steps.

    Below the climbing front, and where relu is off, gradients are that. How far rounding moves the numbers of this
    case is measured, and ten times as much allowed where it is more than 1e-7.
    """
    found = infer_and_differentiate(case, Inference(5, 0.05, Algorithm.adam, activity_decay=case.decay))
    rounded = [adam_from_rounded_values(case, seed) for seed in range(4)]
    for key, value in found.items():
        expected = case.tensor(f"adam5_{key}")
        moved = max((value - other[key]).abs().max() for other in rounded) / expected.abs().max()
        assert_equal(value, expected, max(1e-7, 10 * moved.item()))


def adam_from_rounded_values(case: Case, seed: int) -> dict[str, Tensor]:
    """What 5 steps of torch's Adam end with when the feed-forward values have errors in their last bit."""
    z, _ = feedforward(case.net, case.weights, case.x)
    noise = torch.randn(z.shape, dtype=z.dtype, generator=torch.Generator().manual_seed(seed))
    z = (z * (1 + torch.finfo(z.dtype).eps * noise)).requires_grad_()
    optimiser = torch.optim.Adam([z], lr=0.05)
    for _ in range(5):
        z.grad = activity_gradient(case.net, case.weights, z.detach(), case.x, case.y, case.decay)
        optimiser.step()
    return with_weight_gradient(case, z.detach())


def test_equilibrium_of_a_linear_network(case: Case) -> None:
    case.needs("equilibrium_energy")
    found = equilibrium(case.net, case.weights, case.x, case.y)
    assert_equal(found.z, case.states("equilibrium_z"))
    assert_equal(found.energy, case["equilibrium_energy"])
    assert_equal(energy(case.net, case.weights, found.z, case.x, case.y), case["equilibrium_energy"])


def test_activity_hessian_of_the_first_sample(case: Case) -> None:
    sample = (case.x[:, :1], case.y[:, :1], case.decay)
    found = hessian_at_start(case.net, case.weights, *sample).dense()
    for key in ("hessian_ff_sample0", "theory_hessian"):
        if key in case.arrays:
            assert_equal(found, case.tensor(key))
