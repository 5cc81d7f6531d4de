"""The contract of a learning rule: what it needs to start, what it learns from a batch, what can be observed of it.

A rule's record (`deepcredit.rules.rule`) names for everything that experiments can need of a rule the class or function
that makes its learner. What a learner is given, and what it learns from a batch, by need:

`mlp`: trains stacks of E MLPs on images, through Lightning, by Adam
    needs       net (MLP), weights (Weights, read anew for every batch and never written), batch_size, and options, one
                object for every member
    learns      the gradient that Adam descends, in the buffer `gradient`; see `StackLearner`
`direction`: takes one step with a stack of E MLPs
    needs       net, weights, batch_size, and options, one object for all members
    learns      Σ over the batch of the gradient: what a step of learning rate 1 subtracts from the weights
    observed    what the experiment records under these names, [E]; `overshoot` is for a learning rate of 1
`linear_errors`: trains one linear network (E = 1), layer by layer
    needs       layers (W_1 … W_L, [1, out, in] each) and options
    learns      e_0 … e_L, [1, B, width of the layer]: W_l moves by −η Σ e_lᵀ x_{l−1}
`affine`: trains one deep affine network
    needs       net (Affine, written by the experiment after each batch), batch_size, options, draws (how the network
                was drawn, for a rule with parameters of its own), loss_gradient (∂L/∂x_L of outputs and targets)
    learns      hidden activations and the errors of hidden layers and output (`nets.affine.Errors`): every layer's
                parameters descend along its error
    observed    `layer_loss` [H] and `inverse_loss` [H − 1] of the batch, where there are such
"""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from torch import Tensor

from deepcredit.nets.mlp import Weights

Learned = TypeVar("Learned", covariant=True)


class Learner(Protocol[Learned]):
    """A rule at work on the networks that it was started with."""

    def learn(self, x: Tensor, y: Tensor) -> Learned:
        """What inputs `x` [E, B, D] and targets `y` [E, B, K] say of the weights; without E where there is one."""

    @property
    def observed(self) -> Mapping[str, Tensor]:
        """What can be observed of the rule after the last batch, by name; empty where there is nothing."""


class StackLearner(Protocol):
    """A rule at work on a stack of MLPs, batch after batch, without an allocation: everything is in buffers."""

    #: where `learn` leaves the gradient; the parameters of an optimiser have their gradients in it
    gradient: Weights

    @property
    def prediction(self) -> Tensor:
        """Feed-forward output of the last batch, before anything else was done with it, [E, B, K]."""

    @property
    def activities(self) -> Tensor:
        """Activities of the hidden layers that the last gradient was taken at, [E, H, B, N]."""

    def learn(self, x: Tensor, y: Tensor) -> Weights:
        """The gradient for `x` [E, B, D] and `y` [E, B, K], in `gradient`."""
