"""Names of networks that configs choose from. Imports no torch."""

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


class Algorithm(Enum):
    """How inference descends the energy."""

    gd = "gd"
    adam = "adam"
