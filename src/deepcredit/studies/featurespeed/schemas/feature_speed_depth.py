"""Backward-feature angle at the output of residual networks of many depths. Imports no torch."""

from dataclasses import dataclass, field
from typing import ClassVar

from deepcredit.config.schema import Experiment, Variable
from deepcredit.core.errors import check
from deepcredit.studies.featurespeed.schemas.feature_speed import Steps, check_branch_scales, check_sizes


@dataclass
class ResNetsByDepth:
    """Shapes of the networks: every depth L in `num_layers` is a member with matrices of its own."""

    num_layers: list[int] = field(default_factory=lambda: [10])
    width: int = 200
    input_size: int = 10
    output_size: int = 1
    branch_scale: list[str] = field(default_factory=lambda: ["1/sqrtL"])

    def __post_init__(self) -> None:
        depths = self.num_layers
        valid = len(set(depths)) == len(depths) > 0 and all(depth >= 3 for depth in depths)
        check(valid, "model.num_layers", depths, "a non-empty list of whole numbers of at least 3, without repetitions")
        check_sizes(self.width, self.input_size, self.output_size)
        check_branch_scales(self.branch_scale, depths)


@dataclass
class FeatureSpeedDepth(Experiment):
    """One step from initialisation; members are depths, seeds, branch scales, and which matrices take the step.

    All depths of a seed see the same sample. Networks are small and many, so they share a job.
    """

    variables: ClassVar[dict[str, Variable]] = {
        "beta": Variable(("num_layers", "branch_scale"), about="branch scale β"),
        "angle": Variable(
            ("updated", "seed", "num_layers", "branch_scale"), about="backward-feature angle at a_{L−1}, in radians"
        ),
    }

    kind: str = "feature_speed_depth"
    model: ResNetsByDepth = field(default_factory=ResNetsByDepth)
    optimizer: Steps = field(default_factory=Steps)
