"""Names of networks and data sets that configs choose from. Imports no torch."""

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


class Dataset(Enum):
    """Images to classify."""

    mnist = "mnist"
    fashion_mnist = "fashion_mnist"


class Algorithm(Enum):
    """How inference descends the energy."""

    gd = "gd"
    adam = "adam"


#: width and number of classes of the data sets above: 28 × 28 pixels, ten classes
IMAGE_SIZE = 784
N_CLASSES = 10
