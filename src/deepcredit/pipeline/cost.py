"""How long a cell is expected to compute, from its config. By this, jobs are given their share of the work.

Estimates are kept apart from the experiments, so that a better one makes no array stale.
"""

from functools import singledispatch

from deepcredit.schema.activity_hessian import MATRICES, ActivityHessian
from deepcredit.schema.common import ActFn, Experiment
from deepcredit.schema.deep_linear import DeepLinear
from deepcredit.schema.equilibrium_training import EquilibriumTraining
from deepcredit.schema.feature_speed import FeatureSpeed
from deepcredit.schema.feature_speed_depth import FeatureSpeedDepth
from deepcredit.schema.forward_pass import ForwardPass
from deepcredit.schema.target_alignment import TargetAlignment
from deepcredit.schema.tp_learned_inverse import TpDataset, TpLearnedInverse, TpLearnedRule

#: what a cell costs beside its arithmetic (seconds), and how fast one core is at matrix products (operations a second)
CELL_SECONDS, OPERATIONS_PER_SECOND = 0.3, 5e10


def expected_seconds(config: Experiment) -> float:
    """Seconds that one core is expected to compute the cell with this config."""
    return CELL_SECONDS + operations(config) / OPERATIONS_PER_SECOND


@singledispatch
def operations(config: Experiment) -> float:  # noqa: ARG001 - the kinds below are told apart by it
    """Floating-point operations of a cell, roughly; more are counted for those that memory or calls slow down."""
    return 0.0


@operations.register
def _(config: TargetAlignment) -> float:
    # a step of inference on these small matrices takes about as long as two million operations
    members = len(config.seed) * len(config.model.act_fn)
    a_layer = 4 * members * config.data.batch_size * config.model.width**2 + 2e6
    return config.inference.n_steps * config.model.num_layers * a_layer


@operations.register
def _(config: TpLearnedInverse) -> float:
    n_inputs, n_samples = (784, 55_000) if config.data.dataset is TpDataset.mnist else (2, 2_500)
    weights = n_inputs * config.model.width + (config.model.num_layers - 2) * config.model.width**2
    passes = 6 if config.rule.rule is TpLearnedRule.BP else 12
    trained = config.optimizer.n_steps * (passes * config.data.batch_size * weights + 5e6)
    recorded = config.optimizer.n_steps // config.optimizer.record_every * n_samples * weights
    return len(config.seed) * (trained + recorded)


@operations.register
def _(config: FeatureSpeed) -> float:
    return _residual(config, config.model.num_layers)


@operations.register
def _(config: FeatureSpeedDepth) -> float:
    return _residual(config, sum(config.model.num_layers))


def _residual(config: FeatureSpeed | FeatureSpeedDepth, layers: int) -> float:
    # drawing a weight takes as long as some hundred operations; passes are bound by memory
    members = len(config.model.branch_scale) * len(config.rule.updated)
    return len(config.seed) * layers * config.model.width**2 * (300.0 + 40.0 * members)


@operations.register
def _(config: DeepLinear) -> float:
    members = len(config.seed) * len(config.optimizer.lr) * len(config.model.init_scale)
    return members * config.optimizer.epochs * 1e6


@operations.register
def _(config: ActivityHessian) -> float:
    # Lanczos and probing, then the dense spectra of the slices; a small matrix costs about 2e7 in calls alone
    model, data = config.model, config.data
    sizes = [(n, h) for n in model.width for h in model.n_hidden]
    some = sum(2e7 + 6 * h * n**3 + 1500 * h * n**2 for n, h in sizes)
    whole = sum((n * h) ** 3 * 4 for n, h in sizes if n == data.slice_width or h == data.slice_n_hidden)
    matrices = len(model.act_fn) + (len(MATRICES) - 1) * (ActFn.linear in model.act_fn)
    return len(config.seed) * matrices * (some + whole)


@operations.register
def _(config: EquilibriumTraining) -> float:
    model = config.model
    exact = model.act_fn is ActFn.linear
    products = 1 if exact else 150
    per_step = sum(
        2e7 + products * model.n_hidden * (1e6 + 40 * n * (n if exact else config.data.batch_size * n / 8))
        for n in model.width
    )
    return len(config.seed) * config.optimizer.n_steps * per_step


@operations.register
def _(config: ForwardPass) -> float:
    model = config.model
    a_layer = 2e6 + model.width**2 * (6 * config.data.batch_size + 400)
    members = len(config.seed) * len(model.act_fn) * len(config.optimizer.name)
    return members * config.optimizer.n_steps * sum(model.num_layers) * a_layer
