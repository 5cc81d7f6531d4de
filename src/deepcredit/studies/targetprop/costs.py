"""What this study's kinds of experiment cost. Imports no torch."""

from deepcredit.plan.cost import Cost
from deepcredit.rules.costs import Batch
from deepcredit.rules.rule import RULES, options_of
from deepcredit.studies.targetprop.schemas.tp_learned_inverse import TpLearnedInverse
from deepcredit.studies.targetprop.schemas.tp_linear import TpLinear


def tp_learned_inverse(config: TpLearnedInverse) -> Cost:
    """Iterations, one seed after the other."""
    sizes, width, n_layers = config.data.sizes, config.model.width, config.model.num_layers
    batch = Batch(sizes.n_inputs, width, n_layers - 1, sizes.n_classes, "linear", config.data.batch_size)
    a_pass = config.data.batch_size * (sizes.n_inputs * width + (n_layers - 2) * width**2)
    learning = RULES[config.rule].implements["affine"].batch_cost(batch, options_of(config, config.rule))
    return Cost(len(config.seed) * config.optimizer.n_steps * (learning.seconds + 7.5e-11 * a_pass))


def tp_linear(config: TpLinear) -> Cost:  # noqa: ARG001 - networks of two units a layer
    """Next to nothing."""
    return Cost()
