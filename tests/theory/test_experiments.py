"""The experiments on the theory of μPC, on tiny networks and made-up images."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from deepcredit.config.cells import Cell
from deepcredit.config.schema import Trainer
from deepcredit.core.errors import UserError
from deepcredit.data import samples
from deepcredit.data.datasets import DATASETS
from deepcredit.data.samples import Arrays, Samples
from deepcredit.jobs.compute import obtain
from deepcredit.nets.init import Stream, draw_weights, generator
from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.nets.names import Algorithm, Init, Parameterisation
from deepcredit.rules.predictive_coding.energy import weight_gradient
from deepcredit.rules.predictive_coding.equilibrium import equilibrium
from deepcredit.studies.mupc.experiments import activity_hessian, equilibrium_training, forward_pass
from deepcredit.studies.mupc.schemas.activity_hessian import ActivityHessian, HessianData, HessianModel
from deepcredit.studies.mupc.schemas.equilibrium_training import (
    EquilibriumModel,
    EquilibriumOptimizer,
    EquilibriumTraining,
)
from deepcredit.studies.mupc.schemas.forward_pass import ForwardModel, ForwardOptimizer, ForwardPass
from deepcredit.training.order import one_epoch


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> Iterator[Samples]:
    """640 images of noise in place of MNIST."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (640, 784), dtype=np.uint8), rng.integers(0, 10, 640)
    made_up = Samples(Arrays(pixels, labels, pixels[:10], labels[:10]), 10, DATASETS["mnist"].normalisation)
    monkeypatch.setattr(samples, "load", lambda chosen: made_up)
    return made_up


def first_batches(images: Samples, seed: int, count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """By a torch permutation of the seed's own stream, and torch's own one-hot targets."""
    order = torch.randperm(640, generator=generator(seed, Stream.data_order))
    pixels = (torch.from_numpy(images.arrays.train_x[order]) / 255 - 0.1307) / 0.3081
    labels = torch.from_numpy(images.arrays.train_labels)[order]
    y = torch.nn.functional.one_hot(labels, 10).float()
    return list(zip(pixels.split(64), y.split(64), strict=True))[:count]


def test_batches_are_whole_distinct_and_normalised(images: Samples) -> None:
    batches = [(x.numpy(), y.numpy()) for x, y in one_epoch(images, 1, 70, 9)]
    assert {len(x) for x, _ in batches} == {70}
    seen = np.concatenate([x for x, _ in batches])
    assert len(np.unique(seen, axis=0)) == 9 * 70
    pixels = np.rint((seen * 0.3081 + 0.1307) * 255).astype(np.uint8)
    known = zip(images.arrays.train_x, images.arrays.train_labels, strict=True)
    rows = {image.tobytes(): label for image, label in known}
    classes = np.concatenate([y for _, y in batches]).argmax(1)
    assert [rows[p.tobytes()] for p in pixels] == classes.tolist()


# --- activity Hessian ---------------------------------------------------------------------------------------------


def hessian_config(**model) -> ActivityHessian:
    sizes = {"act_fn": ["linear", "tanh"], "width": [2, 5], "n_hidden": [2, 4]} | model
    return ActivityHessian(seed=[0, 3], model=HessianModel(**sizes), data=HessianData(slice_width=5, slice_n_hidden=4))


def test_extremes_are_the_ends_of_the_spectra_on_the_slices() -> None:
    ds = activity_hessian.run(hessian_config())
    on_slice = ds.sel(width=5)
    for found, kept in ((on_slice, ds.spectrum_over_depth), (ds.sel(n_hidden=4), ds.spectrum_over_width)):
        np.testing.assert_allclose(
            found.lambda_min, kept.min("eigenvalue").transpose(*found.lambda_min.dims), rtol=1e-6
        )
        np.testing.assert_allclose(
            found.lambda_max, kept.max("eigenvalue").transpose(*found.lambda_max.dims), rtol=1e-6
        )
    counts = ds.spectrum_over_depth.notnull().sum("eigenvalue")
    assert (counts.sel(act_fn="linear") == 5 * ds.n_hidden).all()
    only = counts.sel(act_fn="tanh", matrix=["theory", "D", "O"])
    assert (only == 0).all()


def test_traces_of_the_parts_add_up() -> None:
    """tr D = tr H, tr O = 0, and tr H² = tr D² + tr O² because D and O have no block in common."""
    spectrum = activity_hessian.run(hessian_config()).spectrum_over_depth.sel(act_fn="linear")
    trace, squares = spectrum.sum("eigenvalue"), (spectrum**2).sum("eigenvalue")
    np.testing.assert_allclose(trace.sel(matrix="D"), trace.sel(matrix="numerical"))
    np.testing.assert_allclose(trace.sel(matrix="O"), 0, atol=1e-10)
    np.testing.assert_allclose(squares.sel(matrix="D") + squares.sel(matrix="O"), squares.sel(matrix="theory"))


def test_a_seed_has_the_same_hessian_whichever_others_are_computed() -> None:
    both = activity_hessian.run(hessian_config())
    alone = activity_hessian.run(replace(hessian_config(), seed=[3]))
    np.testing.assert_array_equal(both.lambda_min.sel(seed=[3]), alone.lambda_min)


# --- training at equilibrium --------------------------------------------------------------------------------------


def equilibrium_config(act_fn: str, **model) -> EquilibriumTraining:
    sizes = {"act_fn": act_fn, "width": [4], "n_hidden": 3} | model
    return EquilibriumTraining(
        seed=[5], model=EquilibriumModel(**sizes), optimizer=EquilibriumOptimizer(lr=0.05, n_steps=3)
    )


def adam_by_the_book(weights: Weights, gradients: list[Weights], lr: float) -> Weights:
    """Weights after one step for every one of `gradients` (Kingma & Ba 2015, algorithm 1)."""
    moments = [weights.map(torch.zeros_like), weights.map(torch.zeros_like)]
    for t, gradient in enumerate(gradients, start=1):
        moments[0] = Weights(*(0.9 * m + 0.1 * g for m, g in zip(moments[0], gradient, strict=True)))
        moments[1] = Weights(*(0.999 * v + 0.001 * g**2 for v, g in zip(moments[1], gradient, strict=True)))
        corrected = [(m / (1 - 0.9**t), v / (1 - 0.999**t)) for m, v in zip(*moments, strict=True)]
        weights = Weights(*(w - lr * m / (v.sqrt() + 1e-8) for w, (m, v) in zip(weights, corrected, strict=True)))
    return weights


def test_linear_training_follows_adam_at_the_exact_equilibrium(images: Samples) -> None:
    ds = equilibrium_training.run(equilibrium_config("linear"))
    net = MLP(784, 4, 3, 10, "linear", Parameterisation.mupc, True)
    start = draw_weights(net, Init.standard_gauss, [5], dtype=torch.float64)
    weights, gradients = start, []
    for step, (x, y) in enumerate(first_batches(images, 5, 3)):
        x, y = x.double(), y.double()
        found = equilibrium(net, weights, x, y)
        loss = (feedforward(net, weights, x)[1] - y).square().sum().item() / 128
        at = ds.isel(width=0, seed=0, step=step)
        assert at.energy.item() == pytest.approx(found.energy.item(), rel=1e-9)
        assert at.loss.item() == pytest.approx(loss, rel=1e-9)
        assert at.ratio.item() == pytest.approx(loss / found.energy.item(), rel=1e-9)
        gradients.append(weight_gradient(net, weights, found.z, x, y))
        weights = adam_by_the_book(start, gradients, 0.05)


@pytest.mark.parametrize("act_fn", ["tanh", "relu"])
def test_equilibria_that_are_searched_for_meet_the_tolerance(act_fn: str, images: Samples) -> None:
    ds = equilibrium_training.run(equilibrium_config(act_fn))
    assert (ds.gradient_norm <= 1e-6).all()
    assert (ds.inference_steps >= 1).all()
    assert (ds.energy <= ds.loss).all()


def test_a_width_trains_the_same_whichever_others_are_computed(images: Samples) -> None:
    several = equilibrium_training.run(equilibrium_config("linear", width=[4, 2, 7]))
    alone = equilibrium_training.run(equilibrium_config("linear", width=[2]))
    assert several.loss.sel(width=[2]).values.tobytes() == alone.loss.values.tobytes()


# --- forward pass -------------------------------------------------------------------------------------------------


def forward_config(algorithm: list[Algorithm]) -> ForwardPass:
    model = ForwardModel(width=6, act_fn=["tanh", "relu"], num_layers=[4, 8])
    return ForwardPass(seed=[2], model=model, optimizer=ForwardOptimizer(name=algorithm, lr=0.1, n_steps=3))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_norms_are_those_of_training_by_automatic_differentiation(algorithm: Algorithm, images: Samples) -> None:
    """The mean over all entries of (y − ŷ)², by an optimiser of the framework on leaves of its own."""
    ds = forward_pass.run(forward_config([algorithm])).sel(act_fn="tanh", num_layers=8).isel(optimizer=0, seed=0)
    net = MLP(784, 6, 7, 10, "tanh", Parameterisation.depth_mup, True)
    leaves = [w.requires_grad_() for w in draw_weights(net, Init.standard_gauss, [2])]
    kind = {Algorithm.gd: torch.optim.SGD, Algorithm.adam: torch.optim.Adam}[algorithm]
    optimizer = kind(leaves, lr=0.1)
    for step, (x, y) in enumerate(first_batches(images, 2, 3)):
        z, prediction = feedforward(net, Weights(*leaves), x)
        states = {"1": z[0, 0], "L/4": z[0, 1], "L/2": z[0, 3], "3L/4": z[0, 5], "L": prediction[0]}
        layers = Weights(*leaves).layers()
        for (name, state), layer in zip(states.items(), (0, 1, 3, 5, 7), strict=True):
            at = ds.sel(layer=name, step=step)
            singular = torch.linalg.svdvals(layers[layer][0].detach())
            assert at.rms.item() == pytest.approx(state.square().mean().sqrt().item(), rel=1e-4)
            assert at.mean_abs.item() == pytest.approx(state.abs().mean().item(), rel=1e-4)
            assert at.spectral_norm.item() == pytest.approx(singular[0].item(), rel=1e-4)
            assert at.frobenius_norm.item() == pytest.approx(singular.square().sum().sqrt().item(), rel=1e-4)
        optimizer.zero_grad()
        (prediction[0] - y).square().mean().backward()
        optimizer.step()


def test_norms_of_vanished_and_of_diverged_arrays_are_kept() -> None:
    assert forward_pass.sizes(torch.zeros(3, 3)) == (0.0, 0.0)
    assert forward_pass.sizes(torch.full((2, 2), torch.inf)) == (torch.inf, torch.inf)
    frobenius, spectral = forward_pass.weight_norms(torch.full((2, 3), torch.inf))
    assert frobenius == torch.inf
    assert np.isnan(spectral)


def test_sizes_do_not_overflow_where_float32_would() -> None:
    mean_abs, rms = forward_pass.sizes(torch.full((4, 4), 1e30))
    assert mean_abs == pytest.approx(1e30)
    assert rms == pytest.approx(1e30)


# --- memory -------------------------------------------------------------------------------------------------------

TOO_LARGE = {
    "hessian": (hessian_config(width=[5, 20_000]), ("model.width",)),
    "equilibrium": (equilibrium_config("linear", width=[200_000]), ("model.width",)),
    "forward": (
        replace(forward_config([Algorithm.adam]), model=ForwardModel(width=1024, num_layers=[4096])),
        ("1024", "4096", "model.num_layers"),
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_cannot_fit_is_refused_before_any_computing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config, named = TOO_LARGE[name]
    monkeypatch.setattr(samples, "load", lambda _: pytest.fail("began to load data"))
    with pytest.raises(UserError, match="GiB of memory") as caught:
        obtain(Cell(replace(config, experiment=name), {}, ()), Trainer(memory_gib=8))
    assert "trainer.memory_gib=8" in str(caught.value)
    assert all(part in str(caught.value) for part in (*named, "reduce"))
