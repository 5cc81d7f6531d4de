r"""Difference target propagation with learned inverses, in a deep affine network.

After Lee, Zhang, Fischer & Bengio (2015), *Difference target propagation*, eqs. 10–15, as set up in the
target-propagation notebook. Layer l has the learned inverse $g_l(x) = σ(V_l x + c_l)$, from layer l to layer l − 1.

Targets: $t_L = x_L − α ∂L/∂x_L$; $t_{L−1} = x_{L−1} − α ∂L/∂x_{L−1}$, by the true gradient; below,
$t_{l−1} = x_{l−1} + g_l(t_l) − g_l(x_l)$. So the inverses of layers 2…L−1 are all that is needed.

Layer loss ½ mean (x_l − t_l)², mean over batch and units, with x_l and t_l constants: only W_l and b_l descend on it.
Inverse loss ½ mean (σ(V_l σ(x_l + ε) + c_l) − (x_{l−1} + ε'))², on which V_l and c_l descend; ε and ε' are
Gaussian, one draw a batch, the same for all its samples.

Both steps of an iteration start from the state at its beginning.
Shapes: B batch, N width, K output, H = L − 1 hidden layers; `x_HBN[l − 1]` is x_l.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from deepcredit.nets import affine
from deepcredit.nets.affine import Affine, Draws, Errors, truncated_normal
from deepcredit.rules.target_propagation.options import InverseOptions

#: beyond this the exponential function leaves the range of float32, and a sigmoid has long saturated
LARGEST = 80.0


@dataclass(frozen=True)
class Inverses:
    """V_l and c_l of layers l = 2…L−1, changed in place by training."""

    weight: Tensor  # [H-1, N, N]
    bias: Tensor  # [H-1, 1, N]


def initialise(n_hidden: int, width: int, draws: Draws) -> Inverses:
    """Inverses with truncated normal weights and constant biases."""
    weight = truncated_normal((n_hidden - 1, width, width), draws.weight_std, draws.generator)
    return Inverses(weight, torch.full((n_hidden - 1, 1, width), draws.bias))


def noise_std(iteration: int) -> float:
    """Standard deviation of ε and ε' at an iteration: 10 / (1 + iteration/100)."""
    return 10.0 / (1.0 + iteration / 100.0)


def target_errors(
    net: Affine, inverses: Inverses, x_HBN: Tensor, top_BK: Tensor, target_lr: float, error_HBN: Tensor
) -> Tensor:
    """Fill `error_HBN` with x_l − t_l of the hidden layers; returns that of the output, [B, K].

    `top_BK` is ∂L/∂x_L, `target_lr` the α of the targets. As t_{l−1} − x_{l−1} = g_l(t_l) − g_l(x_l), the error
    below is g_l(x_l) − g_l(t_l), computed without cancellation: with a the pre-activation of g_l at x_l and
    d = V_l (x_l − t_l), σ(a) − σ(a − d) = −σ(a) σ(d − a) (e^{−d} − 1).
    """
    top_error_BK = target_lr * top_BK
    torch.mm(top_error_BK, net.w_out, out=error_HBN[-1])
    weight = inverses.weight
    a_HBN = torch.baddbmm(inverses.bias, x_HBN[1:], weight.mT)
    returned_HBN = a_HBN.sigmoid()
    for below in range(len(weight) - 1, -1, -1):
        d = torch.mm(error_HBN[below + 1], weight[below].T).clamp_(-LARGEST, LARGEST)
        torch.mul(returned_HBN[below], torch.sigmoid_(d - a_HBN[below]), out=error_HBN[below])
        error_HBN[below].mul_(torch.expm1(d.neg_()).neg_())
    return top_error_BK


def layer_losses(error_HBN: Tensor) -> Tensor:
    """½ mean (x_l − t_l)² of every hidden layer, [H]."""
    return error_HBN.square().mean((1, 2)) / 2


def layer_gradients(error_HBN: Tensor, top_error_BK: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of the layer losses with respect to x_l: the errors over the number of entries of a layer."""
    return error_HBN / error_HBN[0].numel(), top_error_BK / top_error_BK.numel()


def train_inverses(inverses: Inverses, x_HBN: Tensor, lr: float, std: float, generator: torch.Generator) -> Tensor:
    """Gradient step on the inverse losses, in place, with noise of standard deviation `std`; returns them, [H−1].

    With r = g − (x_{l−1} + ε'), the gradient at the inverse's pre-activation is r g (1 − g) / (B N).
    """
    count, batch, width = x_HBN[1:].shape
    noise = torch.randn((2, count, 1, width), generator=generator).mul_(std)
    hidden = torch.sigmoid_(x_HBN[1:] + noise[0])
    guess = torch.baddbmm(inverses.bias, hidden, inverses.weight.mT).sigmoid_()
    residual = guess - x_HBN[:-1]
    residual.sub_(noise[1])
    losses = residual.square().mean((1, 2)) / 2
    gradient = residual.mul_(guess).mul_(1 - guess).div_(batch * width)
    inverses.weight.baddbmm_(gradient.mT, hidden, alpha=-lr)
    inverses.bias.sub_(gradient.sum(1, keepdim=True), alpha=lr)
    return losses


class Learner:
    """Learns targets and inverses beside a network: a `Learner` of deep affine networks."""

    def __init__(
        self,
        net: Affine,
        batch_size: int,
        options: InverseOptions,
        draws: Draws,
        loss_gradient: Callable[[Tensor, Tensor], Tensor],
    ) -> None:
        self.net, self.options, self.generator, self.loss_gradient = net, options, draws.generator, loss_gradient
        self.x_HBN, self.error_HBN = affine.buffers(net, batch_size)
        self.inverses = initialise(len(self.x_HBN), self.x_HBN.shape[2], draws)
        self.iteration = 0
        self.observed: Mapping[str, Tensor] = {}

    def learn(self, x: Tensor, y: Tensor) -> Errors:
        """Errors for `x` [B, D] and `y` [B, K], by which every layer descends on its own layer loss.

        The inverses take their step here. Leaves `layer_loss` [H] and `inverse_loss` [H − 1] in `observed`.
        """
        top_BK = self.loss_gradient(affine.forward(self.net, x, self.x_HBN), y)
        options, error_HBN = self.options, self.error_HBN
        top_error_BK = target_errors(self.net, self.inverses, self.x_HBN, top_BK, options.target_lr, error_HBN)
        layer_loss, std = layer_losses(error_HBN), noise_std(self.iteration)
        inverse_loss = train_inverses(self.inverses, self.x_HBN, options.inverse_lr, std, self.generator)
        self.observed = {"layer_loss": layer_loss, "inverse_loss": inverse_loss}
        self.iteration += 1
        return Errors(self.x_HBN, *layer_gradients(error_HBN, top_error_BK))
