"""What this study's kinds of experiment cost. Imports no torch."""

from deepcredit.plan.cost import Cost
from deepcredit.studies.targetprop.schemas.tp_learned_inverse import TpLearnedInverse, TpLearnedRule
from deepcredit.studies.targetprop.schemas.tp_linear import TpLinear


def tp_learned_inverse(config: TpLearnedInverse) -> Cost:
    """Iterations, one seed after the other."""
    width, n_layers = config.model.width, config.model.num_layers
    a_pass = config.data.batch_size * (config.data.sizes.n_inputs * width + (n_layers - 2) * width**2)
    calls = 3.7e-4 if config.rule.rule is TpLearnedRule.BP else 1e-3
    return Cost(len(config.seed) * config.optimizer.n_steps * (calls + 7.5e-11 * a_pass))


def tp_linear(config: TpLinear) -> Cost:  # noqa: ARG001 - networks of two units a layer
    """Next to nothing."""
    return Cost()
