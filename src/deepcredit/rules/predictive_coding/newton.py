r"""The equilibrium of inference in networks that are not linear, by Newton's method. No 1/B: samples do not meet.

Shapes: H hidden layers, B batch, D input, N width, K output. One member at a time.

Every sample's activities minimise its own energy $\sum_l \tfrac12\|e_l\|^2$. A Newton step solves
$\nabla^2F\,\delta = -\nabla F$ by conjugate gradients, every sample with its own coefficients, stops them where the
curvature turns negative, and halves the step of every sample until its energy falls (Nocedal & Wright 2006, *Numerical
Optimization*, algorithm 7.1).

**Kinks.** With relu the energy has kinks at z = 0, and minima in kinks: there the one-sided derivatives are

$$g^- = c,\qquad g^+ = c - b,\qquad c = e_l - e_{l+1}[\text{skips}],\quad b = a_{l+1}W_{l+1}^\top e_{l+1},$$

and $g^- \le 0 \le g^+$. A step that would carry an activity across its kink ends in it. An activity rests in its kink
as long as these inequalities hold, and leaves it to the side on which the energy falls faster. The gradient whose norm
is reported is the subgradient of least norm: zero for resting activities.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from deepcredit.nets.mlp import MLP, Weights, feedforward
from deepcredit.rules.options import NewtonInference

#: residual, relative to the gradient, at which the conjugate gradients of a Newton step end
FORCING = 0.1


class Found(NamedTuple):
    """Where the search ended."""

    z: Tensor  #: activities, [H, B, N]
    energy: float  #: mean over the batch
    gradient_norm: float
    products: int


class _Point(NamedTuple):
    """Activities with what follows from them; energies are those of the samples."""

    z: Tensor  #: [H, B, N]
    energy: Tensor  #: [B]
    gradient: Tensor  #: least subgradient, [H, B, N]
    slope: Tensor  #: φ′, in kinks that of the side to move to, [H, B, N]
    bend: Tensor | None  #: −φ″ ∘ b, [H, B, N]; None where φ″ is zero
    moving: Tensor | None  #: 0 for activities in their kinks, else 1, [H, B, N]; None without kinks


class Energy:
    """The energy of one batch: `x` [B, D], `y` [B, K], and `weights` of a single member."""

    def __init__(self, net: MLP, weights: Weights, x: Tensor, y: Tensor) -> None:
        self.net, self.y = net, y
        self.w_hid, self.w_out = weights.w_hid[0], weights.w_out[0]
        self.first = net.a_in * (x @ weights.w_in[0].mT)

    def at(self, z: Tensor) -> _Point:
        """Everything at activities `z`."""
        phi = self.net.activation.value(z)
        error, output = self._errors(z, phi, self.first, self.y)
        energy = (error.square().sum((0, 2)) + output.square().sum(1)) / 2
        straight, back = self._sent(error, output)
        slope = self.net.activation.slope(z, phi)
        if not self.net.activation.rectifies:
            bend = -self.net.activation.bend(z, phi) * back
            return _Point(z, energy, straight - slope * back, slope, bend, None)
        right = straight - back
        kink = z == 0
        up = kink & (right < 0) & (-right >= straight)
        slope = torch.where(up, 1.0, slope)
        resting = kink & (straight <= 0) & (right >= 0)
        gradient = torch.where(resting, 0.0, straight - slope * back)
        return _Point(z, energy, gradient, slope, None, (~kink).to(z.dtype))

    def product(self, point: _Point, v: Tensor, moving: Tensor | None) -> Tensor:
        """Hessian at `point` times `v` [H, B, N], zero where `moving` is."""
        error, output = self._errors(v, point.slope * v, torch.zeros_like(self.first), torch.zeros_like(self.y))
        straight, back = self._sent(error, output)
        product = straight - point.slope * back
        if point.bend is not None:
            product += point.bend * v
        return product if moving is None else product * moving

    def _errors(self, z: Tensor, phi: Tensor, first: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        error = torch.empty_like(z)
        torch.sub(z[0], first, out=error[0])
        if self.net.n_hidden > 1:
            below = z[1:] - z[:-1] if self.net.skips else z[1:]
            torch.baddbmm(below, phi[:-1], self.w_hid.mT, alpha=-self.net.a_hid, out=error[1:])
        return error, torch.addmm(y, phi[-1], self.w_out.mT, alpha=-self.net.a_out)

    def _sent(self, error: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        """c and b of the module's text, [H, B, N]."""
        back = torch.empty_like(error)
        torch.mul(output @ self.w_out, self.net.a_out, out=back[-1])
        if self.net.n_hidden > 1:
            torch.baddbmm(back[:-1], error[1:], self.w_hid, beta=0, alpha=self.net.a_hid, out=back[:-1])
        if not self.net.skips:
            return error, back
        straight = error.clone()
        straight[:-1] -= error[1:]
        return straight, back


def find_equilibrium(net: MLP, weights: Weights, x: Tensor, y: Tensor, options: NewtonInference) -> Found:
    """Equilibrium from the feed-forward values, for `x` [B, D], `y` [B, K] and `weights` of a single member."""
    energy = Energy(net, weights, x, y)
    point = energy.at(feedforward(net, weights, x)[0][0])
    products, batch = 1, len(x)
    while True:
        norm = float(point.gradient.norm()) / batch
        if not norm > options.tolerance or products >= options.max_products:
            return Found(point.z, float(point.energy.mean()), norm, products)
        if point.moving is not None:
            point, taken = _gradient_step(energy, point)
            products += taken
        direction, taken = _newton_direction(energy, point)
        point, tried = _descend(energy, point, direction)
        products += taken + tried


def _gradient_step(energy: Energy, point: _Point) -> tuple[_Point, int]:
    """Steepest descent of every sample, as far as the energy falls while no kink is met."""
    gradient = point.gradient
    image = energy.product(point, gradient, torch.ones_like(gradient))
    size = (_dot(gradient, gradient) / _dot(gradient, image)).nan_to_num()
    new, tried = _descend(energy, point, -size[:, None] * gradient)
    return new, 1 + tried


def _newton_direction(energy: Energy, point: _Point) -> tuple[Tensor, int]:
    """δ of every sample by conjugate gradients, and the number of products that took."""
    residual = -point.gradient if point.moving is None else -point.gradient * point.moving
    squared = _dot(residual, residual)
    goal = FORCING**2 * squared
    going = squared > 0
    delta, direction = torch.zeros_like(residual), residual.clone()
    taken = 0
    while bool(going.any()) and taken < MAX_INNER:
        image = energy.product(point, direction, point.moving)
        taken += 1
        curvature = _dot(direction, image)
        if taken == 1:
            delta = torch.where((curvature <= 0)[:, None], residual, delta)
        going &= curvature > 0
        step = torch.where(going, squared / curvature, 0.0)[:, None]
        delta = torch.addcmul(delta, step, direction)
        residual = torch.addcmul(residual, step, image, value=-1)
        before, squared = squared, _dot(residual, residual)
        going &= squared > goal
        direction = torch.addcmul(residual, (squared / before)[:, None].nan_to_num(), direction)
    return delta, taken


#: products of one Newton step
MAX_INNER = 50
#: halvings of one Newton step
MAX_HALVINGS = 30


def _descend(energy: Energy, point: _Point, direction: Tensor) -> tuple[_Point, int]:
    """The point after a step of every sample along `direction`, halved until its energy does not rise."""
    size = torch.ones_like(point.energy)
    slack = 1e-14 * point.energy
    for tried in range(1, MAX_HALVINGS + 1):
        new = energy.at(_stopped_at_kinks(point, point.z + size[:, None] * direction))
        rises = new.energy > point.energy + slack
        if not bool(rises.any()):
            return new, tried
        size = torch.where(rises, size / 2 if tried < MAX_HALVINGS - 1 else 0.0, size)
    return new, MAX_HALVINGS


def _stopped_at_kinks(point: _Point, z: Tensor) -> Tensor:
    return z if point.moving is None else torch.where(z * point.z < 0, 0.0, z)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of every sample, [B]."""
    return torch.einsum("hbn,hbn->b", a, b)
