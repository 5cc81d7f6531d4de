r"""Measures of one learning step of a residual network, and the feature speed formula.

Source: Chizat & Netrapalli, *The feature speed formula*. With the features a and a' before and after a step of size η,
and b the gradient of the loss at a before it (N width):

    aligned speed ⟨a − a', b⟩ / (‖b‖ √N η),   speed ‖a − a'‖ / (√N η),   sensitivity 1 / (‖b‖ √N),
    backward-feature angle = arccos(aligned speed / speed).

Shapes: E members, R = L−2 blocks, H = L−1 features, N width. All results are [H,E].
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from deepcredit.nets import resnet
from deepcredit.nets.resnet import Activity, Backward, Step, Weights
from deepcredit.studies.featurespeed.schemas.feature_speed import Updated


class Observables(NamedTuple):
    """What one step shows at every layer of every member, each [H,E]; at one layer, [E]."""

    aligned_speed: Tensor
    speed: Tensor
    sensitivity: Tensor
    angle: Tensor
    feature_size: Tensor
    gradient_speed: Tensor


def aligned_speed(before: Tensor, after: Tensor, gradient: Tensor, lr: float) -> Tensor:
    """⟨a − a', b⟩ / (‖b‖ √N η): how far the features [..., N] move down the gradient of the loss, per unit of η."""
    along = ((before - after) * gradient).sum(-1)
    return along / (gradient.norm(dim=-1) * before.shape[-1] ** 0.5 * lr)


def speed(before: Tensor, after: Tensor, lr: float) -> Tensor:
    """‖a − a'‖ / (√N η): how far the features [..., N] move in all, per unit of η."""
    return (before - after).norm(dim=-1) / (before.shape[-1] ** 0.5 * lr)


def sensitivity(gradient: Tensor) -> Tensor:
    """1 / (‖b‖ √N) of the gradients [..., N] at the features."""
    return 1 / (gradient.norm(dim=-1) * gradient.shape[-1] ** 0.5)


def angle(aligned: Tensor, total: Tensor) -> Tensor:
    """Backward-feature angle in radians, from aligned speed and speed. Features that do not move have none: NaN."""
    return torch.where(total > 0, (aligned / total).clamp(-1, 1).arccos(), torch.nan)


def formula(sensitivity_HE: Tensor) -> Tensor:
    """The feature speed formula: aligned speed = sensitivity · (v − 1) / L at layer v = 1 … L−1, first order in η.

    It holds where each matrix V_2 … V_v takes a step along its true gradient, scaled to lower the loss by η / L.
    """
    n_features = len(sensitivity_HE)
    moved = torch.arange(n_features, dtype=sensitivity_HE.dtype)  # matrices below layer v that moved: v − 1
    return sensitivity_HE * (moved / (n_features + 1))[:, None]


def learning_step(updated: Updated, beta: Tensor, activity: Activity, gradient: Backward, lr: float) -> Step:
    """The step that `updated` names, from a forward and a backward pass of all members.

    `branch_out` moves V_k along its true gradient β b qᵀ. `both` moves W_k too, and leaves out the factor β in the
    gradient of V_k as the source's notebook does; scaled by its own norm, the step on V_k is then β times as long.
    """
    depth = len(activity.features) + 1
    below, above = activity.features[:-1], gradient.features[1:]
    if updated is Updated.branch_out:
        return Step(None, resnet.scaled_step(beta[:, None] * above, activity.branch, lr, depth))
    if updated is Updated.both:
        branch_in = resnet.scaled_step(gradient.branch_in, below, lr, depth)
        return Step(branch_in, resnet.scaled_step(above, activity.branch, lr, depth))
    raise ValueError(f"no step is defined for {updated}")


def observe(
    weights: Weights, beta: Tensor, x: Tensor, y: Tensor, updated: Sequence[Updated], lr: float
) -> list[Observables]:
    """Observables of one step of each kind in `updated`, on the sample `x` [D], `y` [K], for members `beta` [E]."""
    before = resnet.forward(weights, beta, x)
    gradient = resnet.backward(weights, beta, before, y)
    return [_after(weights, beta, x, y, before, gradient, kind, lr) for kind in updated]


def _after(
    weights: Weights, beta: Tensor, x: Tensor, y: Tensor, before: Activity, gradient: Backward, kind: Updated, lr: float
) -> Observables:
    step = learning_step(kind, beta, before, gradient, lr)
    after = resnet.forward(weights, beta, x, step)
    gradient_after = resnet.backward(weights, beta, after, y, step)
    # layer by layer: the arrays of all layers are large, and each copy of them costs more than its arithmetic
    stacks = zip(before.features, after.features, gradient.features, gradient_after.features, strict=True)
    layers = [_at_layer(*layer, lr) for layer in stacks]
    return Observables(*map(torch.stack, zip(*layers, strict=True)))


def _at_layer(before: Tensor, after: Tensor, gradient: Tensor, gradient_after: Tensor, lr: float) -> Observables:
    aligned, total = aligned_speed(before, after, gradient, lr), speed(before, after, lr)
    return Observables(
        aligned_speed=aligned,
        speed=total,
        sensitivity=sensitivity(gradient),
        angle=angle(aligned, total),
        feature_size=before.norm(dim=-1) / before.shape[-1] ** 0.5,
        gradient_speed=(gradient_after - gradient).norm(dim=-1) / lr,
    )


def output_angle(
    weights: Weights, beta: Tensor, x: Tensor, y: Tensor, updated: Sequence[Updated], lr: float
) -> list[Tensor]:
    """Backward-feature angle [E] at the last feature a_{L−1} alone, one for each kind of step in `updated`."""
    before = resnet.forward(weights, beta, x)
    gradient = resnet.backward(weights, beta, before, y)
    angles = []
    for kind in updated:
        after = resnet.forward(weights, beta, x, learning_step(kind, beta, before, gradient, lr))
        last = before.features[-1], after.features[-1]
        angles.append(angle(aligned_speed(*last, gradient.features[-1], lr), speed(*last, lr)))
    return angles
