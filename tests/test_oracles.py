"""Predictive coding against numbers of the source's own library: every .npz of the folder `--oracles DIR`.

A reader goes by the keys of a file (tests/oracles/README.md), so any folder of such files will do.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.rules.predictive_coding.energy import activity_gradient, energy, layer_energies, weight_gradient
from deepcredit.rules.predictive_coding.equilibrium import equilibrium
from deepcredit.rules.predictive_coding.inference import Inference, infer
from deepcredit.schema.common import ActFn
from deepcredit.schema.networks import Algorithm, Parameterisation


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
            act_fn=ActFn(str(self["act"])),
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
    """Equal to `tolerance`, relative to the largest entry of the array expected."""
    expected = torch.as_tensor(expected, dtype=torch.float64)
    difference = (found.squeeze(0) - expected.squeeze(0)).abs().max()
    assert difference <= tolerance * expected.abs().max()


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


def infer_and_differentiate(case: Case, options: Inference, weights: Weights) -> dict[str, Tensor]:
    """Activities and weight gradients after inference, by the key of the file less its stem."""
    z = infer(case.net, weights, case.x, case.y, options).z
    gradient = weight_gradient(case.net, weights, z, case.x, case.y)
    found = {f"z{layer}": state for layer, state in enumerate(z.unbind(1), start=1)}
    return found | {f"gradW{layer}": g for layer, g in enumerate(gradient.layers(), start=1)}


def test_gradient_descent_and_the_weight_gradient_after_it(case: Case) -> None:
    options = Inference(steps=7, learning_rate=0.3, activity_decay=case.decay)
    for key, found in infer_and_differentiate(case, options, case.weights).items():
        assert_equal(found, case.tensor(f"gd7_{key}"))


def test_adam_and_the_weight_gradient_after_it(case: Case) -> None:
    """Adam divides a gradient by its own size, so below the climbing front it amplifies rounding errors of 1e-17.

    Where more than two layers lie below the front at first and no decay gives them a gradient, the numbers depend on
    rounding. How much is measured, by full updates from weights that differ in the last bit, and allowed for.
    """
    options = Inference(5, 0.05, Algorithm.adam, activity_decay=case.decay)
    full = replace(options, front=False)
    last_bit = case.weights.map(lambda w: w * (1 + torch.finfo(w.dtype).eps))
    exact, rounded = (infer_and_differentiate(case, full, w) for w in (case.weights, last_bit))
    for key, found in infer_and_differentiate(case, options, case.weights).items():
        expected = case.tensor(f"adam5_{key}")
        amplified = (exact[key] - rounded[key]).abs().max() / expected.abs().max()
        assert_equal(found, expected, 1e-7 if amplified < 1e-7 else 10 * amplified.item())


def test_equilibrium_of_a_linear_network(case: Case) -> None:
    case.needs("equilibrium_energy")
    found = equilibrium(case.net, case.weights, case.x, case.y)
    assert_equal(found.z, case.states("equilibrium_z"))
    assert_equal(found.energy, case["equilibrium_energy"])
    assert_equal(energy(case.net, case.weights, found.z, case.x, case.y), case["equilibrium_energy"])
