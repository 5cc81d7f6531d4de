"""What a cell costs, from its config: seconds of a core, operations, memory; and from them, time on a device.

By this, jobs are given their share of the work, and their limits on a cluster. Estimates are kept apart from the
experiments, so that a better one makes no array stale.

Seconds are those of the nominal core, on which the numbers below were measured. `deepcredit.pipeline.machine` measures
how much faster or slower than that a machine is.
"""

from dataclasses import dataclass
from functools import singledispatch

from deepcredit.schema.activity_hessian import MATRICES, ActivityHessian
from deepcredit.schema.common import ActFn, Experiment
from deepcredit.schema.deep_linear import DeepLinear
from deepcredit.schema.equilibrium_training import EquilibriumTraining
from deepcredit.schema.feature_speed import FeatureSpeed
from deepcredit.schema.feature_speed_depth import FeatureSpeedDepth
from deepcredit.schema.forward_pass import ForwardPass
from deepcredit.schema.networks import IMAGE_SIZE, N_CLASSES, Algorithm, Rule
from deepcredit.schema.pc_training import PcTraining
from deepcredit.schema.target_alignment import TargetAlignment
from deepcredit.schema.tp_learned_inverse import TpDataset, TpLearnedInverse, TpLearnedRule

#: seconds that any cell takes
CELL_SECONDS = 0.05

#: memory of Python, torch and a data set, in bytes
PROCESS_BYTES = 1.5 * 2**30

#: a CUDA device: seconds of a kernel in a captured graph, and operations a second in float32 products
#: (the order of magnitude of a data-centre device; measured ones replace the latter)
KERNEL_SECONDS, CUDA_OPERATIONS = 4e-6, 2e13


@dataclass(frozen=True)
class Cost:
    """What a cell asks of a machine."""

    core_seconds: float  #: of the nominal core
    memory_bytes: float
    #: float32 operations of its matrix products, and kernels, on a CUDA device; None where it makes no use of one
    operations: float | None = None
    kernels: float | None = None


def cost(config: Experiment) -> Cost:
    """What the cell with this config asks of a machine."""
    memory_bytes = PROCESS_BYTES + memory(config)
    if isinstance(config, PcTraining):
        return Cost(core_seconds(config), memory_bytes, operations(config), kernels(config))
    return Cost(core_seconds(config), memory_bytes)


def cpu_seconds(of: Cost, speed: float = 1.0) -> float:
    """Seconds that one core is expected to compute, which is so many times as fast as the nominal one."""
    return CELL_SECONDS + of.core_seconds / speed


def cuda_seconds(of: Cost, operations_per_second: float = CUDA_OPERATIONS) -> float | None:
    """Seconds that a CUDA device is expected to compute; None for work that is not done there."""
    if of.operations is None or of.kernels is None:
        return None
    return CELL_SECONDS + KERNEL_SECONDS * of.kernels + of.operations / operations_per_second


@singledispatch
def core_seconds(config: Experiment) -> float:  # noqa: ARG001 - the kinds below are told apart by it
    """Seconds of the nominal core for a cell."""
    return 0.0


@singledispatch
def memory(config: Experiment) -> float:  # noqa: ARG001
    """Bytes that a cell holds at once, beside those of any process."""
    return 2**28


# --- training on images -------------------------------------------------------------------------------------------
# Seconds were fitted to the processor time of 138 trainings (widths 32 to 1024, 8 to 128 hidden layers, up to 500
# steps of inference): the estimates were 0.73 to 1.28 of what was measured.

#: of an operation in the products of inference, in other products of a training, and in those of a test
INFERRED, LEARNED, TESTED = 8.0e-12, 2.0e-11, 5.5e-12
#: of an activity that moves; by Adam, that much more; of tanh and its like
MOVED, MOVED_BY_ADAM, TANH = 7.8e-10, 1.2e-9, 5e-10
#: of a step of inference, or of a layer's feed-forward pass: the calls
CALLS = 1.0e-5
#: of updating a weight, and of drawing its first value; of a batch, for a member and for all together
UPDATED, DRAWN, MEMBER, BATCH = 7.4e-10, 1.4e-7, 3.3e-4, 4.0e-4
#: of a layer in backpropagation; of an activity in a test
BACKPROPAGATED, TESTED_ACTIVITY = 1.0e-4, 3.3e-9


def _moved_layers(config: PcTraining) -> float:
    """Layers that inference moves for one batch, over all its steps: the error climbs one layer a step."""
    n_hidden, steps = config.model.n_hidden, config.max_t
    if config.rule is Rule.bp:
        return 0.0
    if max(config.inference.activity_decay) > 0:
        return steps * n_hidden
    climbing = min(steps, n_hidden)
    return climbing * (climbing + 1) / 2 + max(steps - n_hidden, 0) * n_hidden


def _n_members(config: PcTraining) -> int:
    return len(config.seed) * len(config.optimizer.lr) * len(config.inference.lr) * len(config.inference.activity_decay)


def _n_weights(config: PcTraining) -> int:
    width = config.model.width
    return width * (IMAGE_SIZE + N_CLASSES) + (config.model.n_hidden - 1) * width**2


def _n_tests(config: PcTraining) -> int:
    return config.data.n_steps // config.data.test_every


def _pass(config: PcTraining) -> float:
    """Operations of one product with every weight for a batch."""
    return 2 * config.data.batch_size * _n_weights(config)


def _inference(config: PcTraining) -> float:
    """Operations of a member's inference for a batch: two products with the weights of every layer that moves."""
    return 4 * config.data.batch_size * config.model.width**2 * _moved_layers(config)


@core_seconds.register
def _(config: PcTraining) -> float:
    steps, members = config.data.n_steps, _n_members(config)
    infer = _backpropagation_seconds if config.rule is Rule.bp else _inference_seconds
    a_step = MEMBER + UPDATED * _n_weights(config) + LEARNED * _pass(config) + infer(config)
    own = DRAWN * _n_weights(config) + steps * a_step + _n_tests(config) * _test_seconds(config)
    if config.record.condition_number:
        own += (1 + _n_tests(config)) * _condition_seconds(config.model.n_hidden, config.model.width)
    return steps * BATCH + members * own


def _inference_seconds(config: PcTraining) -> float:
    """Of a member's feed-forward pass and inference for a batch."""
    n_hidden, moved = config.model.n_hidden, _moved_layers(config)
    activities = config.data.batch_size * config.model.width
    an_activity = MOVED + MOVED_BY_ADAM * (config.inference.algorithm is Algorithm.adam)
    seconds = INFERRED * (_inference(config) + _pass(config)) + CALLS * (config.max_t + n_hidden)
    seconds += an_activity * moved * activities
    if config.model.act_fn not in (ActFn.linear, ActFn.relu):
        seconds += TANH * (moved + n_hidden) * activities
    return seconds


def _backpropagation_seconds(config: PcTraining) -> float:
    """Of a member's passes up and down for a batch."""
    return 2 * LEARNED * _pass(config) + BACKPROPAGATED * config.model.n_hidden


def _test_seconds(config: PcTraining) -> float:
    width, n_hidden = config.model.width, config.model.n_hidden
    products, activities = 2 * (n_hidden * width**2 + IMAGE_SIZE * width), n_hidden * width
    return config.data.n_test * (TESTED * products + TESTED_ACTIVITY * activities)


def _condition_seconds(n_hidden: int, width: int) -> float:
    """Blocks of the activity Hessian in float64, their factors, and the two ends of the spectrum."""
    return n_hidden * (1.5e-3 + 1.5e-7 * width**2 + 1.2e-9 * width**3)


def operations(config: PcTraining) -> float:
    """Float32 operations of all products of a cell."""
    passes = 3 if config.rule is Rule.bp else 2
    tested = 2 * config.data.n_test * _n_weights(config) * _n_tests(config)
    a_step = _inference(config) + passes * _pass(config)
    return _n_members(config) * (config.data.n_steps * a_step + tested)


def kernels(config: PcTraining) -> float:
    """Kernels that a CUDA device starts one after the other, those of condition numbers among them."""
    inference = 8.0 * config.max_t if config.rule is Rule.pc else 0.0
    hessians = (_n_tests(config) + 1) * _n_members(config) * 2e4 if config.record.condition_number else 0.0
    a_step = inference + 6.0 * config.model.n_hidden + 100.0
    return config.data.n_steps * a_step + _n_tests(config) * 2000.0 + hessians


@memory.register
def _(config: PcTraining) -> float:
    rows = config.data.batch_size
    images = 2 * 4 * 70_000 * IMAGE_SIZE
    layers = 10 * config.model.n_hidden * rows * config.model.width
    blocks = 8 * 6 * config.model.n_hidden * config.model.width**2 if config.record.condition_number else 0
    each = 4 * (6 * _n_weights(config) + layers) + 8 * config.data.n_steps
    # members are trained in as many parts as the memory asks for
    together = max(each, min(_n_members(config) * each, 0.8 * 2**30 * config.trainer.memory_gib))
    return images + blocks + together


# --- the others ---------------------------------------------------------------------------------------------------


@memory.register
def _(config: ActivityHessian) -> float:
    blocks = max(config.model.n_hidden) * max(config.model.width) ** 2
    return 8.0 * (3 * config.longest_spectrum**2 + 6 * blocks)


@memory.register
def _(config: ForwardPass) -> float:
    width, depth = config.model.width, max(config.model.num_layers)
    weights = width * (IMAGE_SIZE + (depth - 2) * width)
    return 4.0 * (5 * weights + 5 * depth * width * config.data.batch_size)


@memory.register
def _(config: EquilibriumTraining) -> float:
    width, n_hidden = max(config.model.width), config.model.n_hidden
    return 8.0 * (6 * (width * IMAGE_SIZE + n_hidden * width**2) + 20 * n_hidden * width * config.data.batch_size)


@core_seconds.register
def _(config: TargetAlignment) -> float:
    members = len(config.seed) * len(config.model.act_fn)
    a_layer = 3.5e-5 + 1e-10 * members * config.data.batch_size * config.model.width**2
    return config.inference.n_steps * config.model.num_layers * a_layer


@core_seconds.register
def _(config: TpLearnedInverse) -> float:
    n_inputs = IMAGE_SIZE if config.data.dataset is TpDataset.mnist else 2
    width, n_layers = config.model.width, config.model.num_layers
    a_pass = config.data.batch_size * (n_inputs * width + (n_layers - 2) * width**2)
    calls = 3.7e-4 if config.rule.rule is TpLearnedRule.BP else 1e-3
    return len(config.seed) * config.optimizer.n_steps * (calls + 7.5e-11 * a_pass)


@core_seconds.register
def _(config: FeatureSpeed) -> float:
    return _residual(config, config.model.num_layers)


@core_seconds.register
def _(config: FeatureSpeedDepth) -> float:
    return _residual(config, sum(config.model.num_layers))


def _residual(config: FeatureSpeed | FeatureSpeedDepth, layers: int) -> float:
    # two weights are drawn for every pass over them
    members = len(config.model.branch_scale) * len(config.rule.updated)
    return len(config.seed) * layers * config.model.width**2 * (8e-9 + 4e-10 * members)


@core_seconds.register
def _(config: DeepLinear) -> float:
    members = len(config.seed) * len(config.optimizer.lr) * len(config.model.init_scale)
    return members * config.optimizer.epochs * 2e-5


@core_seconds.register
def _(config: ActivityHessian) -> float:
    # extreme eigenvalues of every matrix, then the dense spectra of the slices
    model, data = config.model, config.data
    sizes = [(n, h) for n in model.width for h in model.n_hidden]
    some = sum(h * (3e-4 + 2.4e-9 * n**3) for n, h in sizes)
    whole = sum(1e-10 * (n * h) ** 3 for n, h in sizes if n == data.slice_width or h == data.slice_n_hidden)
    matrices = len(model.act_fn) + (len(MATRICES) - 1) * (ActFn.linear in model.act_fn)
    return len(config.seed) * matrices * (some + whole)


@core_seconds.register
def _(config: EquilibriumTraining) -> float:
    model, rows = config.model, config.data.batch_size
    exact = model.act_fn is ActFn.linear

    def a_step(width: int) -> float:
        if exact:
            return 5e-4 + model.n_hidden * (1e-5 + 1e-9 * width**2) + 1.3e-8 * width * IMAGE_SIZE
        # so many products until the gradient is small
        return 100 * model.n_hidden * (1e-4 + 4e-10 * rows * width**2 / 10)

    return len(config.seed) * config.optimizer.n_steps * sum(a_step(width) for width in model.width)


@core_seconds.register
def _(config: ForwardPass) -> float:
    model = config.model
    a_layer = 1e-5 + model.width**2 * (2e-11 * config.data.batch_size + 1.3e-8)
    members = len(config.seed) * len(model.act_fn) * len(config.optimizer.name)
    return members * config.optimizer.n_steps * sum(model.num_layers) * a_layer
