"""Training of ensembles: against the same training with torch's autograd and Adam, and member by member."""

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepcredit.core.errors import UserError
from deepcredit.nets.init import draw_weights
from deepcredit.nets.mlp import Weights, feedforward, predict
from deepcredit.nets.names import Algorithm, Init
from deepcredit.rules.loss import squared_loss
from deepcredit.rules.penalties import Penalties
from deepcredit.rules.predictive_coding.energy import energy
from deepcredit.theory.hessian import hessian_at_start
from deepcredit.training import fit, recorders, watching
from deepcredit.training.chunks import Sizes, bytes_per_member, in_chunks
from deepcredit.training.fit import Records
from deepcredit.training.images import ImageData
from deepcredit.training.members import Member, Recipe
from deepcredit.training.order import BatchOrder
from deepcredit.training.recorders import DIVERGED, NO_LEARNING
from tests.ensembles import BP, NET, PC, SCHEDULE, Interruption, fitted, inferring


def by_autograd(recipe: Recipe, member: Member, images: ImageData) -> tuple[list[float], Weights]:
    """The same training, written as one would first: losses of all batches, and the weights at the end."""
    net = recipe.net
    weights = draw_weights(net, recipe.init, [member.seed]).map(torch.Tensor.requires_grad_)
    optimiser = torch.optim.Adam(weights, lr=member.weight_lr)
    (lr,), (decay,), steps = (own.lr, own.activity_decay, own.max_t) if (own := member.options) else ([0.0], [0.0], 0)
    losses = []
    for batch in BatchOrder((member.seed,), 200, 10, SCHEDULE.n_steps):
        x, y = images.train_x[batch[0]], images.train_y[batch[0]]
        z, prediction = feedforward(net, weights, x)
        losses.append(squared_loss(prediction, y.unsqueeze(0)).item())
        z = z.detach()
        for _ in range(steps):
            z.requires_grad_()
            total = energy(net, weights, z, x, y, decay)
            z = (z - lr * torch.autograd.grad(total.sum(), z)[0]).detach()
        optimiser.zero_grad()
        pc = energy(net, weights, z, x, y, decay, recipe.penalties).sum()
        ((prediction - y).square().mean() if recipe.rule == "bp" else pc).backward()
        optimiser.step()
    return losses, weights.map(torch.Tensor.detach)


CASES = {
    "pc": PC,
    "pc with penalties": replace(PC, penalties=Penalties(0.01, 0.02)),
    "bp": BP,
}


@pytest.mark.parametrize("name", CASES)
def test_training_is_that_of_autograd_and_torchs_adam(
    name: str, images: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorders, "ABOVE_CHANCE", -100.0)
    recipe = CASES[name]
    members = [inferring(0, 0.05, 0.4, 0.0), inferring(1, 0.02, 0.2, 0.1)]
    if recipe.rule == "bp":
        members = [Member(0, 0.05), Member(1, 0.02)]
    found = fitted(recipe, members, images)
    for member, settings in enumerate(members):
        losses, weights = by_autograd(recipe, settings, images)
        np.testing.assert_allclose(found.train_loss[member], losses, rtol=2e-3)
        correct = predict(NET, weights, images.test_x[:90])[0].argmax(1) == images.test_labels[:90]
        # one image of 90 may fall on the other side of a boundary by rounding
        assert found.test_accuracy[member, -1] == pytest.approx(100 * correct.float().mean().item(), abs=1.2)
        norms = [w.norm().item() for w in weights.layers()]
        np.testing.assert_allclose(found.weight_norm[member, -1], norms, rtol=1e-3)


def test_condition_number_at_initialisation_is_that_of_the_first_image(images: ImageData) -> None:
    found = fitted(PC, [inferring(3, 0.05)], images)
    first = next(iter(BatchOrder((3,), 200, 10, 1)))[0, :1]
    weights = draw_weights(NET, Init.standard_gauss, [3])
    dense = hessian_at_start(NET, weights, images.train_x[first], images.train_y[first]).dense()[0]
    values = torch.linalg.eigvalsh(dense)
    assert found.condition_number[0, 0] == pytest.approx((values[-1] / values[0]).abs().item(), rel=1e-6)


NINE = list(itertools.product([0, 1, 2], [0.02, 0.05], [0.3, 0.5], [0.0, 0.1]))[:9]


def same(one: Records, other: Records, rows: list[int]) -> bool:
    """Whether `one` is bit for bit what `other` says of the members `rows`."""
    pairs = [(a, b[rows]) for a, b in zip(vars(one).values(), vars(other).values(), strict=True)]
    return all(a.tobytes() == b.tobytes() and a.shape == b.shape for a, b in pairs)


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("act_fn", ["linear", "tanh", "relu"])
def test_a_member_trains_to_the_same_bits_whoever_is_beside_it(
    act_fn: str, algorithm: Algorithm, images: ImageData
) -> None:
    recipe = replace(PC, net=replace(NET, act_fn=act_fn))
    members = [inferring(*own, algorithm) for own in NINE]
    nine = fitted(recipe, members, images)
    for rows in ([4], [4, 7]):
        assert same(fitted(recipe, [members[r] for r in rows], images), nine, rows)


def test_two_chunks_are_one_ensemble(images: ImageData) -> None:
    members = [inferring(*own) for own in NINE]
    whole = fitted(PC, members, images)
    two = fitted(PC, members, images, memory=5 * bytes_per_member(PC))
    assert same(two, whole, list(range(9)))


def test_a_run_that_diverges_stops_and_the_others_go_on(images: ImageData) -> None:
    stable, unstable = inferring(0, 0.05), inferring(1, 1e30)
    together = fitted(PC, [unstable, stable], images)
    assert together.stop_reason.tolist() == [DIVERGED, ""]
    stop = int(together.stop_step[0])
    assert 0 < stop < SCHEDULE.test_every
    assert np.isfinite(together.train_loss[0, :stop]).all()
    assert np.isnan(together.train_loss[0, stop:]).all()
    assert np.isnan(together.test_accuracy[0]).all()
    assert same(fitted(PC, [stable], images), together, [1])


def test_a_run_at_chance_stops_at_its_first_test(images: ImageData) -> None:
    labels = (predict(NET, draw_weights(NET, PC.init, [0]), images.test_x)[0].argmax(1) + 1) % 4
    found = fitted(PC, [inferring(0, 0.0)], replace(images, test_labels=labels))
    assert found.stop_reason.tolist() == [NO_LEARNING]
    assert found.stop_step.tolist() == [5]
    assert np.isfinite(found.train_loss[0]).tolist() == [True] * 5 + [False] * 20
    assert found.test_accuracy[0, 0] == 0.0
    assert np.isnan(found.test_accuracy[0, 1:]).all()


def test_training_resumes_where_it_was_killed(
    images: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [inferring(0, 0.05), inferring(1, 1e30), inferring(2, 0.02, 0.3)]
    whole = fitted(PC, members, images)
    measure = fit.Recording.on_train_batch_end

    def killed(self: Any, trainer: Any, *arguments: Any, **named: Any) -> None:
        measure(self, trainer, *arguments, **named)
        if trainer.global_step == 23:
            raise Interruption

    monkeypatch.setattr(watching, "SAVING_SHARE", math.inf)
    monkeypatch.setattr(fit.Recording, "on_train_batch_end", killed)
    with pytest.raises(Interruption):
        fitted(PC, members, images, checkpoints=tmp_path, checkpoint_seconds=0.0)
    monkeypatch.setattr(fit.Recording, "on_train_batch_end", measure)
    assert list(tmp_path.rglob("*.ckpt"))
    steps = []
    learn = fit.EnsembleModule.training_step

    def counted(self: Any, *arguments: Any) -> None:
        steps.append(self.trainer.global_step)
        learn(self, *arguments)

    monkeypatch.setattr(fit.EnsembleModule, "training_step", counted)
    assert same(fitted(PC, members, images, checkpoints=tmp_path), whole, [0, 1, 2])
    assert steps == [22, 23, 24]


def test_every_epoch_is_another_order_of_all_images() -> None:
    batches = torch.stack(list(BatchOrder((0, 1, 0), 20, 6, 6)))
    first, second = batches[:3].transpose(0, 1).flatten(1), batches[3:].transpose(0, 1).flatten(1)
    for epoch in (first, second):
        assert all(len(set(member.tolist())) == 18 for member in epoch)
        assert torch.equal(epoch[0], epoch[2])
        assert not torch.equal(epoch[0], epoch[1])
    assert not torch.equal(first, second)


def test_an_order_can_begin_anywhere() -> None:
    whole = list(BatchOrder((0, 1), 20, 6, 8))
    rest = list(BatchOrder((0, 1), 20, 6, 8, start=lambda: 4))
    assert all(torch.equal(a, b) for a, b in zip(whole[4:], rest, strict=True))


def test_out_of_memory_makes_chunks_smaller() -> None:
    tried = []

    def work(members: Any) -> list[int]:
        tried.append(len(members))
        if len(members) > 2:
            raise torch.cuda.OutOfMemoryError
        return [m.seed for m in members]

    members = [Member(seed, 0.1) for seed in range(7)]
    assert [seed for seeds in in_chunks(work, members, Sizes(5)) for seed in seeds] == list(range(7))
    assert tried == [5, 2, 2, 2, 1]


def test_one_member_that_does_not_fit_is_an_error() -> None:
    def work(members: Any) -> None:
        raise torch.cuda.OutOfMemoryError

    with pytest.raises(torch.cuda.OutOfMemoryError):
        in_chunks(work, [Member(0, 0.1), Member(1, 0.1)], Sizes(2))


def test_images_that_do_not_match_the_network_are_refused(images: ImageData) -> None:
    recipe = replace(PC, net=replace(NET, input_size=13))
    with pytest.raises(UserError, match=r"12 pixels each.*13 pixels"):
        fitted(recipe, [Member(0, 0.1)], images)
