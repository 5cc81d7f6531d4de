"""What this study's kinds of experiment cost. Imports no torch."""

from deepcredit.plan.cost import Cost
from deepcredit.studies.prospective.schemas.interference import Interference
from deepcredit.studies.prospective.schemas.target_alignment import TargetAlignment


def target_alignment(config: TargetAlignment) -> Cost:
    """Inference of all members."""
    members = len(config.seed) * len(config.model.act_fn)
    a_layer = 3.5e-5 + 1e-10 * members * config.data.batch_size * config.model.width**2
    return Cost(config.inference.n_steps * config.model.num_layers * a_layer)


def interference(config: Interference) -> Cost:  # noqa: ARG001 - a network of four weights
    """Next to nothing."""
    return Cost()
