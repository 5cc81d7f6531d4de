"""What this study's kinds of experiment cost. Imports no torch."""

from deepcredit.plan.cost import Cost
from deepcredit.studies.saxe.schemas.deep_linear import DeepLinear
from deepcredit.studies.saxe.schemas.linear_regression import LinearRegression


def deep_linear(config: DeepLinear) -> Cost:
    """Epochs of all members."""
    members = len(config.seed) * len(config.optimizer.lr) * len(config.model.init_scale)
    return Cost(members * config.optimizer.epochs * 2e-5)


def linear_regression(config: LinearRegression) -> Cost:  # noqa: ARG001 - a few least squares
    """Next to nothing."""
    return Cost()
