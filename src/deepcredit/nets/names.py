"""Names of networks and data sets that configs choose from. Imports no torch."""

from enum import Enum


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


class Dataset(Enum):
    """Images to classify."""

    mnist = "mnist"
    fashion_mnist = "fashion_mnist"


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


#: width and number of classes of the data sets above: 28 × 28 pixels, ten classes
IMAGE_SIZE = 784
N_CLASSES = 10
