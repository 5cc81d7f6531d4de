"""Backpropagation, and difference target propagation with learned inverses, on the ring and on MNIST.

The network is affine from input to output (`deepcredit.nets.affine`), so its loss and accuracy on the whole training
set are those of one affine map. Pixels are in [0, 1]; the training set leaves out its first twelfth, as the source's
loader does with 5,000 digits of 60,000. Shapes: n samples, B batch, D input, N width, K output, H hidden layers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from deepcredit.data import samples
from deepcredit.data.samples import Samples, scaled
from deepcredit.nets import affine
from deepcredit.nets.affine import Affine
from deepcredit.rules.target_propagation import learned
from deepcredit.studies.targetprop.schemas.tp_learned_inverse import TpLearnedInverse, TpLearnedRule

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


@dataclass
class Curves:
    """What is recorded of one member, at R records; NaN where nothing was measured."""

    loss: np.ndarray  #: [R]
    accuracy: np.ndarray  #: [R]
    layer_loss: np.ndarray  #: [R, H]
    inverse_loss: np.ndarray  #: [R, H-1]
    diverged_at: float = np.nan


#: one iteration: its number, inputs [B, D], targets [B, K] → layer losses [H] and inverse losses [H−1], if there are
Step = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor] | None]


def train(config: TpLearnedInverse, task: Task, seed: int) -> Curves:
    """Train one network from its own generator. Training stops at a record where the loss is not finite."""
    rng = torch.Generator().manual_seed(seed)
    model, every = config.model, config.optimizer.record_every
    sizes = (task.x.shape[1], model.width, task.y.shape[1])
    net = affine.initialise(sizes, model.num_layers - 1, model.weight_std, model.bias, rng)
    step = _step(config, task, net, rng)
    curves = _empty_curves(config)
    for record in range(len(curves.loss)):
        loss, accuracy = evaluate(net, task)
        if not np.isfinite(loss):
            curves.diverged_at = float(record * every)
            break
        curves.loss[record], curves.accuracy[record] = loss, accuracy
        if record + 1 < len(curves.loss):
            _iterate(curves, record, every, config.data.batch_size, task, step, rng)
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


def _iterate(
    curves: Curves, record: int, every: int, batch_size: int, task: Task, step: Step, rng: torch.Generator
) -> None:
    """All iterations up to the next record; their mean layer and inverse losses are entered there."""
    losses = []
    for iteration in range(record * every, (record + 1) * every):
        chosen = torch.randint(len(task.x), (batch_size,), generator=rng)
        losses.append(step(iteration, task.x.index_select(0, chosen), task.y.index_select(0, chosen)))
    measured = [pair for pair in losses if pair is not None]
    if measured:
        layer_losses, inverse_losses = (torch.stack(kind).mean(0).numpy() for kind in zip(*measured, strict=True))
        curves.layer_loss[record + 1], curves.inverse_loss[record + 1] = layer_losses, inverse_losses


def evaluate(net: Affine, task: Task) -> tuple[float, float]:
    """Loss, and accuracy in %, on the whole training set."""
    weight, bias = affine.composed(net)
    out = (weight @ task.x.T).T.contiguous() + bias  # faster than x @ weight.T, as outputs are few
    correct = task.predicted(out) == task.label
    return task.loss(out, task.y).item(), 100 * correct.double().mean().item()


def _step(config: TpLearnedInverse, task: Task, net: Affine, rng: torch.Generator) -> Step:
    if config.rule.rule is TpLearnedRule.BP:
        return backprop_step(config, task, net)
    return target_step(config, task, net, rng)


def _buffers(config: TpLearnedInverse) -> tuple[Tensor, Tensor]:
    """Room for the hidden activations and their errors, [H, B, N] each."""
    shape = (config.model.num_layers - 1, config.data.batch_size, config.model.width)
    return torch.empty(shape), torch.empty(shape)


def backprop_step(config: TpLearnedInverse, task: Task, net: Affine) -> Step:
    """Gradient descent on the loss."""
    x_HBN, gradient_HBN = _buffers(config)

    def step(_: int, x_BD: Tensor, y_BK: Tensor) -> None:
        top_BK = task.gradient(affine.forward(net, x_BD, x_HBN), y_BK)
        affine.pull_back(net, top_BK, gradient_HBN)
        affine.descend(net, x_BD, x_HBN, gradient_HBN, top_BK, config.optimizer.lr)

    return step


def target_step(config: TpLearnedInverse, task: Task, net: Affine, rng: torch.Generator) -> Step:
    """Gradient descent of every layer on its own layer loss, and of every inverse on its inverse loss."""
    x_HBN, error_HBN = _buffers(config)
    model, rule, lr = config.model, config.rule, config.optimizer.lr
    inverses = learned.initialise(model.num_layers - 1, model.width, model.weight_std, model.bias, rng)

    def step(iteration: int, x_BD: Tensor, y_BK: Tensor) -> tuple[Tensor, Tensor]:
        top_BK = task.gradient(affine.forward(net, x_BD, x_HBN), y_BK)
        top_error_BK = learned.target_errors(net, inverses, x_HBN, top_BK, rule.target_lr, error_HBN)
        layer_losses = learned.layer_losses(error_HBN)
        inverse_losses = learned.train_inverses(inverses, x_HBN, rule.inverse_lr, learned.noise_std(iteration), rng)
        gradients = learned.layer_gradients(error_HBN, top_error_BK)
        affine.descend(net, x_BD, x_HBN, *gradients, lr)
        return layer_losses, inverse_losses

    return step
