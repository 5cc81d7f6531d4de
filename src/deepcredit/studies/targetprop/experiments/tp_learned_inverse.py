"""Backpropagation, and difference target propagation with learned inverses, on the ring and on MNIST.

The network is affine from input to output (`deepcredit.nets.affine`), so its loss and accuracy on the whole training
set are those of one affine map. Pixels are in [0, 1]; the training set leaves out its first twelfth, as the source's
loader does with 5,000 digits of 60,000. Shapes: n samples, B batch, D input, N width, K output, H hidden layers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from deepcredit.data import samples
from deepcredit.data.samples import Samples, scaled
from deepcredit.nets import affine
from deepcredit.nets.affine import Affine, Draws, Errors
from deepcredit.rules.learner import Learner
from deepcredit.rules.rule import RULES, options_of
from deepcredit.studies.targetprop.schemas.tp_learned_inverse import TpLearnedInverse

#: one sample in so many is set aside for validation, from the start of the training set
HELD_OUT = 12


def run(config: TpLearnedInverse) -> xr.Dataset:
    """Training curves of every seed."""
    task = task_of(samples.load(config.data.chosen))
    curves = [train(config, task, seed) for seed in config.seed]
    hidden = np.arange(1, config.model.num_layers)
    return xr.Dataset(
        {
            "loss": (("seed", "step"), np.stack([c.loss for c in curves])),
            "accuracy": (("seed", "step"), np.stack([c.accuracy for c in curves])),
            "layer_loss": (("seed", "step", "layer"), np.stack([c.layer_loss for c in curves])),
            "inverse_loss": (("seed", "step", "inverse_layer"), np.stack([c.inverse_loss for c in curves])),
            "diverged_at": (("seed",), np.array([c.diverged_at for c in curves])),
            "majority_accuracy": ((), 100 * torch.bincount(task.label).max().item() / len(task.label)),
            "n_classes": ((), task.n_classes),
        },
        coords={
            "seed": config.seed,
            "step": np.arange(0, config.optimizer.n_steps + 1, config.optimizer.record_every),
            "layer": hidden,
            "inverse_layer": hidden[1:],
        },
    )


# --- tasks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """A training set, and what is asked of the output on it."""

    x: Tensor  #: [n, D]
    y: Tensor  #: [n, K]
    label: Tensor  #: [n], class of each sample
    n_classes: int
    loss: Callable[[Tensor, Tensor], Tensor]  #: mean loss of outputs [B, K] and targets [B, K]
    gradient: Callable[[Tensor, Tensor], Tensor]  #: its gradient with respect to the outputs, [B, K]
    predicted: Callable[[Tensor], Tensor]  #: class that outputs [B, K] name, [B]


def task_of(data: Samples) -> Task:
    """Targets of its own are to be met, classes to be told apart."""
    return class_task(data) if data.arrays.train_targets is None else target_task(data)


def target_task(data: Samples) -> Task:
    """Two classes, by the sign of the first output; ½ mean squared error over batch and outputs."""
    arrays = data.arrays
    assert arrays.train_targets is not None
    x, y, label = (torch.from_numpy(a) for a in (scaled(arrays.train_x), arrays.train_targets, arrays.train_labels))
    predicted = lambda out: (out[:, 0] > 0).long()  # noqa: E731
    return Task(x, y, label, data.n_classes, half_mean_square, half_mean_square_gradient, predicted)


def class_task(data: Samples) -> Task:
    """Softmax cross-entropy, mean over the batch."""
    first = len(data.arrays.train_x) // HELD_OUT
    x = torch.from_numpy(scaled(data.arrays.train_x[first:]))
    label = torch.from_numpy(data.arrays.train_labels[first:])
    y = torch.eye(data.n_classes)[label]
    return Task(x, y, label, data.n_classes, cross_entropy, cross_entropy_gradient, lambda out: out.argmax(1))


def half_mean_square(out_BK: Tensor, y_BK: Tensor) -> Tensor:
    """½ mean (out − y)², over batch and outputs."""
    return (out_BK - y_BK).square().mean() / 2


def half_mean_square_gradient(out_BK: Tensor, y_BK: Tensor) -> Tensor:
    """Gradient of `half_mean_square` with respect to the outputs."""
    return (out_BK - y_BK) / out_BK.numel()


def cross_entropy(out_BK: Tensor, y_BK: Tensor) -> Tensor:
    """Mean over the batch of −Σ_k y_k log softmax(out)_k, for one-hot targets."""
    return (out_BK.logsumexp(1) - (out_BK * y_BK).sum(1)).mean()


def cross_entropy_gradient(out_BK: Tensor, y_BK: Tensor) -> Tensor:
    """Gradient of `cross_entropy` with respect to the outputs."""
    return out_BK.softmax(1).sub_(y_BK).div_(len(y_BK))


# --- training -----------------------------------------------------------------------------------------------------


#: what can be observed of a rule after a batch
Observed = Mapping[str, Tensor]


class Batches(NamedTuple):
    """Samples of a training set, drawn with replacement."""

    task: Task
    batch_size: int
    generator: torch.Generator

    def draw(self) -> tuple[Tensor, Tensor]:
        """Inputs [B, D] and targets [B, K] of the next batch."""
        chosen = torch.randint(len(self.task.x), (self.batch_size,), generator=self.generator)
        return self.task.x.index_select(0, chosen), self.task.y.index_select(0, chosen)


@dataclass
class Curves:
    """What is recorded of one member, at R records; NaN where nothing was measured."""

    loss: np.ndarray  #: [R]
    accuracy: np.ndarray  #: [R]
    layer_loss: np.ndarray  #: [R, H]
    inverse_loss: np.ndarray  #: [R, H-1]
    diverged_at: float = np.nan


def train(config: TpLearnedInverse, task: Task, seed: int) -> Curves:
    """Train one network from its own generator. Training stops at a record where the loss is not finite."""
    rng = torch.Generator().manual_seed(seed)
    model, every, batch_size = config.model, config.optimizer.record_every, config.data.batch_size
    sizes = (task.x.shape[1], model.width, task.y.shape[1])
    draws = Draws(model.weight_std, model.bias, rng)
    net = affine.initialise(sizes, model.num_layers - 1, draws)
    options = options_of(config, config.rule)
    learner = RULES[config.rule].learner("affine")(net, batch_size, options, draws, task.gradient)
    batches = Batches(task, batch_size, rng)
    curves = _empty_curves(config)
    for record in range(len(curves.loss)):
        loss, accuracy = evaluate(net, task)
        if not np.isfinite(loss):
            curves.diverged_at = float(record * every)
            break
        curves.loss[record], curves.accuracy[record] = loss, accuracy
        if record + 1 < len(curves.loss):
            _enter(curves, record + 1, [_iterate(config, net, learner, batches) for _ in range(every)])
    return curves


def _empty_curves(config: TpLearnedInverse) -> Curves:
    records = config.optimizer.n_steps // config.optimizer.record_every + 1
    hidden = config.model.num_layers - 1
    return Curves(
        loss=np.full(records, np.nan),
        accuracy=np.full(records, np.nan),
        layer_loss=np.full((records, hidden), np.nan),
        inverse_loss=np.full((records, hidden - 1), np.nan),
    )


def _iterate(config: TpLearnedInverse, net: Affine, learner: Learner[Errors], batches: Batches) -> Observed:
    """One step of the network on the next batch; what was observed of the rule."""
    x, y = batches.draw()
    affine.descend(net, x, learner.learn(x, y), config.optimizer.lr)
    return learner.observed


def _enter(curves: Curves, record: int, observed: Sequence[Observed]) -> None:
    """Enter what was observed since the record before, the mean over the iterations."""
    for name in observed[0]:
        getattr(curves, name)[record] = torch.stack([seen[name] for seen in observed]).mean(0).numpy()


def evaluate(net: Affine, task: Task) -> tuple[float, float]:
    """Loss, and accuracy in %, on the whole training set."""
    weight, bias = affine.composed(net)
    out = (weight @ task.x.T).T.contiguous() + bias  # faster than x @ weight.T, as outputs are few
    correct = task.predicted(out) == task.label
    return task.loss(out, task.y).item(), 100 * correct.double().mean().item()
