r"""The residual network of the feature speed formula, one sample, many members: forward, backward, rank-one steps.

    a_1 = W_1 x,   a_k = √(1−β²) a_{k−1} + β V_k relu(W_k a_{k−1})  (k = 2…L−1),   out = W_L a_{L−1},   W_k = I,

with the loss ½ Σ(out − y)² / K. β = 1 makes it a multi-layer perceptron.
Source: Chizat & Netrapalli, *The feature speed formula*, section on residual networks.

Members share one draw of the matrices and differ in β and in the step that was taken. The gradient of one sample is
a matrix of rank one, so a step is kept as two vectors a matrix and the matrices themselves never change.

Shapes: E members, R = L−2 blocks, H = L−1 features a_1 … a_{L−1}, N width, D inputs, K outputs.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Weights(NamedTuple):
    """The matrices at initialisation: `w_in` [N,D], `branch_out` V [R,N,N], `w_out` [K,N]."""

    w_in: Tensor
    branch_out: Tensor
    w_out: Tensor


class RankOne(NamedTuple):
    """A step on every block's matrix M: it acts as M − left rightᵀ. Both are [R,E,N]."""

    left: Tensor
    right: Tensor

    def subtract(self, block: int, product: Tensor, vector: Tensor) -> Tensor:
        """(M − left rightᵀ) v [E,N] from the product M v [E,N] and v [E,N]."""
        return product - self.left[block] * (self.right[block] * vector).sum(-1, keepdim=True)

    def subtract_transposed(self, block: int, product: Tensor, vector: Tensor) -> Tensor:
        """(M − left rightᵀ)ᵀ v [E,N] from the product Mᵀ v [E,N] and v [E,N]."""
        return product - self.right[block] * (self.left[block] * vector).sum(-1, keepdim=True)


class Step(NamedTuple):
    """What a learning step did to the matrices W_k before and V_k after the non-linearity of every block.

    `branch_in` is None where the W_k stay as they are.
    """

    branch_in: RankOne | None
    branch_out: RankOne


class Activity(NamedTuple):
    """A forward pass: features a [H,E,N], branch activities relu(W_k a_{k−1}) [R,E,N], output [E,K]."""

    features: Tensor
    branch: Tensor
    output: Tensor


class Backward(NamedTuple):
    """Gradients of the loss: at the features [H,E,N], and at W_k a_{k−1}, before the non-linearity [R,E,N]."""

    features: Tensor
    branch_in: Tensor


def initialise(generator: torch.Generator, depth: int, width: int, input_size: int, output_size: int) -> Weights:
    """Draw W_1 ~ N(0, 1/D), V_k ~ N(0, 2/N), W_L ~ N(0, 1/N²) for `depth` = L ≥ 3.

    The V_k are drawn and kept in float32, which halves the memory; everything computed from them is float64.
    """
    w_in = torch.empty(width, input_size).normal_(0.0, input_size**-0.5, generator=generator)
    w_out = torch.empty(output_size, width).normal_(0.0, 1 / width, generator=generator)
    branch_out = torch.empty(depth - 2, width, width).normal_(0.0, (2 / width) ** 0.5, generator=generator)
    return Weights(w_in.double(), branch_out, w_out.double())


def forward(weights: Weights, beta: Tensor, x: Tensor, step: Step | None = None) -> Activity:
    """Pass `x` [D] through the network of every member, with branch scales `beta` [E], after `step` if given."""
    keep, beta = (1 - beta**2).sqrt()[:, None], beta[:, None]
    n_blocks = len(weights.branch_out)
    features = beta.new_empty(n_blocks + 1, len(beta), len(weights.w_in))
    branch = features.new_empty(n_blocks, *features.shape[1:])
    features[0] = weights.w_in @ x
    for r in range(n_blocks):
        a = features[r]
        inner = a if step is None or step.branch_in is None else step.branch_in.subtract(r, a, a)
        q = torch.clamp(inner, min=0, out=branch[r])
        out = q @ weights.branch_out[r].to(q.dtype).T
        if step is not None:
            out = step.branch_out.subtract(r, out, q)
        torch.addcmul(keep * a, beta, out, out=features[r + 1])
    return Activity(features, branch, features[-1] @ weights.w_out.T)


def backward(weights: Weights, beta: Tensor, activity: Activity, y: Tensor, step: Step | None = None) -> Backward:
    """Gradients of ½ Σ(out − y)² / K for the targets `y` [K], one loss a member."""
    keep, beta = (1 - beta**2).sqrt()[:, None], beta[:, None]
    features, branch_in = torch.empty_like(activity.features), torch.empty_like(activity.branch)
    features[-1] = (activity.output - y) / len(y) @ weights.w_out
    for r in reversed(range(len(weights.branch_out))):
        b = features[r + 1]
        inner = b @ weights.branch_out[r].to(b.dtype)
        if step is not None:
            inner = step.branch_out.subtract_transposed(r, inner, b)
        torch.mul(beta * inner, activity.branch[r] > 0, out=branch_in[r])
        into = branch_in[r]
        if step is not None and step.branch_in is not None:
            into = step.branch_in.subtract_transposed(r, into, into)
        torch.addcmul(into, keep, b, out=features[r])
    return Backward(features, branch_in)


def scaled_step(left: Tensor, right: Tensor, lr: float, depth: int) -> RankOne:
    r"""The step M ← M − lr G / (‖G‖² L) along the gradient G = left rightᵀ of every block ([R,E,N] each)."""
    squared_norm = (left.norm(dim=-1, keepdim=True) * right.norm(dim=-1, keepdim=True)) ** 2
    return RankOne(left * (lr / (squared_norm * depth)), right)
