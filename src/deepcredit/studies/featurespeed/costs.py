"""What this study's kinds of experiment cost. Imports no torch."""

from deepcredit.plan.cost import Cost
from deepcredit.studies.featurespeed.schemas.feature_speed import FeatureSpeed
from deepcredit.studies.featurespeed.schemas.feature_speed_depth import FeatureSpeedDepth


def feature_speed(config: FeatureSpeed) -> Cost:
    """All layers of one network."""
    return Cost(_residual(config, config.model.num_layers))


def feature_speed_depth(config: FeatureSpeedDepth) -> Cost:
    """All layers of all networks."""
    return Cost(_residual(config, sum(config.model.num_layers)))


def _residual(config: FeatureSpeed | FeatureSpeedDepth, layers: int) -> float:
    # two weights are drawn for every pass over them
    members = len(config.model.branch_scale) * len(config.optimizer.updated)
    return len(config.seed) * layers * config.model.width**2 * (8e-9 + 4e-10 * members)
