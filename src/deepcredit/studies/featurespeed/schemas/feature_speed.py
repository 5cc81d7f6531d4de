"""Feature speed of a residual network: one learning step, seen at every layer. Imports no torch."""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import UserError, check


class Updated(Enum):
    """Which matrices of a residual block take the step: V_k alone, or W_k and V_k (V's gradient short of its β)."""

    branch_out = "branch_out"
    both = "both"


_BRANCH_SCALE = re.compile(r"(?P<factor>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)(?P<by>/L|/sqrtL)?")
_DEPTH_POWER = {None: 0.0, "/sqrtL": 0.5, "/L": 1.0}


def branch_scale(text: str, depth: int) -> float:
    """β of a network with L = `depth` layers, written as a number c, `c/L` or `c/sqrtL` (for c/√L)."""
    match = _BRANCH_SCALE.fullmatch(text)
    if match is None:
        raise UserError(f"model.branch_scale={text!r} is not valid; allowed: numbers c, c/L or c/sqrtL")
    beta = float(match["factor"]) / depth ** _DEPTH_POWER[match["by"]]
    check(0 < beta <= 1, "model.branch_scale", text, f"branch scales β with 0 < β ≤ 1 (here β={beta:g} at L={depth})")
    return beta


def check_branch_scales(scales: list[str], depths: list[int]) -> None:
    """Raise a `UserError` unless every branch scale is a valid β at every depth."""
    check(len(set(scales)) == len(scales) > 0, "model.branch_scale", scales, "a non-empty list without repetitions")
    for depth in depths:
        for text in scales:
            branch_scale(text, depth)


@dataclass
class ResNet:
    """Shape of the network. `num_layers` is L: the input matrix, L−2 blocks, the output matrix."""

    num_layers: int = 200
    width: int = 200
    input_size: int = 10
    output_size: int = 1
    branch_scale: list[str] = field(default_factory=lambda: ["1/sqrtL"])

    def __post_init__(self) -> None:
        check(self.num_layers >= 3, "model.num_layers", self.num_layers, "whole numbers of at least 3")
        check_sizes(self.width, self.input_size, self.output_size)
        check_branch_scales(self.branch_scale, [self.num_layers])


def check_sizes(width: int, input_size: int, output_size: int) -> None:
    """Raise a `UserError` unless all sizes are positive."""
    for name, size in (("width", width), ("input_size", input_size), ("output_size", output_size)):
        check(size >= 1, f"model.{name}", size, "a whole number of at least 1")


@dataclass
class Steps:
    """Which steps are taken, each from the same network.

    `lr` is η: a matrix moves by η G / (‖G‖² L) along its gradient G.
    """

    updated: list[Updated] = field(default_factory=lambda: [Updated.branch_out, Updated.both])
    lr: float = 0.001

    def __post_init__(self) -> None:
        unique = len(set(self.updated)) == len(self.updated) > 0
        check(unique, "optimizer.updated", [u.value for u in self.updated], "a non-empty list without repetitions")
        check(self.lr > 0, "optimizer.lr", self.lr, "a positive number")


_PER_LAYER = ("updated", "seed", "branch_scale", "layer")


@dataclass
class FeatureSpeed(Experiment):
    """One step from initialisation; members are seeds, branch scales, and which matrices take the step."""

    variables: ClassVar[dict[str, Variable]] = {
        "beta": Variable(("branch_scale",), about="branch scale β"),
        "aligned_speed": Variable(_PER_LAYER, about="feature speed along the backward features"),
        "speed": Variable(_PER_LAYER, about="feature speed ‖a − a'‖ / (√m η)"),
        "sensitivity": Variable(_PER_LAYER, about="1 / (‖b‖ √m)"),
        "formula": Variable(_PER_LAYER, about="sensitivity · (v − 1) / L, what the formula says of the aligned speed"),
        "angle": Variable(_PER_LAYER, finite=False, about="backward-feature angle in radians; undefined at layer 1"),
        "feature_size": Variable(_PER_LAYER, about="‖a‖ / √m"),
        "gradient_speed": Variable(_PER_LAYER, about="‖b' − b‖ / η"),
    }

    kind: str = "feature_speed"
    model: ResNet = field(default_factory=ResNet)
    optimizer: Steps = field(default_factory=Steps)
