"""Names of networks that configs choose from. Imports no torch."""

from enum import Enum


class ActFn(Enum):
    """Element-wise activation function φ of a network."""

    linear = "linear"
    tanh = "tanh"
    relu = "relu"
    sigmoid = "sigmoid"


class Parameterisation(Enum):
    """How the layers of a network are scaled; the scalings themselves are in `deepcredit.nets.mlp`."""

    sp = "sp"
    ntp = "ntp"
    mupc = "mupc"
    depth_mup = "depth_mup"
    orthogonal = "orthogonal"


class Init(Enum):
    """The distribution that weights start from; see `deepcredit.nets.init`."""

    standard = "standard"
    standard_gauss = "standard_gauss"
    one_over_N = "one_over_N"
    orthogonal = "orthogonal"
    xavier_uniform = "xavier_uniform"


class Algorithm(Enum):
    """How inference descends the energy."""

    gd = "gd"
    adam = "adam"


class Rule(Enum):
    """How a network learns: predictive coding or backpropagation."""

    pc = "pc"
    bp = "bp"


class Updated(Enum):
    """Which matrices of a residual block take the step: V_k alone, or W_k and V_k (V's gradient short of its β)."""

    branch_out = "branch_out"
    both = "both"
