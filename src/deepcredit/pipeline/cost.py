"""What a cell costs, from its config: floating-point operations, memory, and from them seconds on a device.

By this, jobs are given their share of the work, and their limits on a cluster. Estimates are kept apart from the
experiments, so that a better one makes no array stale.

Operations are counted in the unit of a core that does `NOMINAL` of them in a second: more are counted for work that
memory or calls slow down, fewer for the large products that run faster than that. `deepcredit.pipeline.machine`
measures how much faster or slower than this a machine is.
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

#: what a cell costs beside its arithmetic (seconds), and operations a second of the nominal core
CELL_SECONDS, NOMINAL = 0.3, 5e10

#: a call of torch, and a pass over one number that is not in the cache, in operations of the nominal core
CALL, PASS = 1.5e5, 25.0

#: memory of Python, torch and a data set, in bytes
PROCESS_BYTES = 1.5 * 2**30

#: a CUDA device: seconds of a kernel in a captured graph, and operations a second in float32 products
#: (the order of magnitude of a data-centre device; measured ones replace the latter)
KERNEL_SECONDS, CUDA_OPERATIONS = 4e-6, 2e13


@dataclass(frozen=True)
class Cost:
    """What a cell asks of a machine. `kernels` is None where the work is done on the CPU in any case."""

    operations: float
    memory_bytes: float
    kernels: float | None = None


def cost(config: Experiment) -> Cost:
    """What the cell with this config asks of a machine."""
    return Cost(operations(config), PROCESS_BYTES + memory(config), kernels(config))


def cpu_seconds(of: Cost, operations_per_second: float = NOMINAL) -> float:
    """Seconds that one core of this speed is expected to compute."""
    return CELL_SECONDS + of.operations / operations_per_second


def cuda_seconds(of: Cost, operations_per_second: float = CUDA_OPERATIONS) -> float | None:
    """Seconds that a CUDA device is expected to compute; None for work that is not done there."""
    if of.kernels is None:
        return None
    return CELL_SECONDS + KERNEL_SECONDS * of.kernels + of.operations / operations_per_second


@singledispatch
def operations(config: Experiment) -> float:  # noqa: ARG001 - the kinds below are told apart by it
    """Operations of a cell."""
    return 0.0


@singledispatch
def memory(config: Experiment) -> float:  # noqa: ARG001
    """Bytes that a cell holds at once, beside those of any process."""
    return 2**28


@singledispatch
def kernels(config: Experiment) -> float | None:  # noqa: ARG001
    """Kernels that a CUDA device starts one after the other; None where it is not used."""
    return None


# --- training on images -------------------------------------------------------------------------------------------


def _products(rows: float, width: int, n_matrices: float) -> float:
    """Products of [rows, N] with `n_matrices` matrices [N, N]; the wider, the nearer to the peak of a core."""
    return 2 * rows * width**2 * n_matrices * (0.33 + 48 / width)


def _images_in(rows: float, width: int) -> float:
    return 2 * rows * (IMAGE_SIZE + N_CLASSES) * width * 0.6


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


@operations.register
def _(config: PcTraining) -> float:
    n_hidden, width, rows = config.model.n_hidden, config.model.width, config.data.batch_size
    adam = config.inference.algorithm is Algorithm.adam
    moved = _moved_layers(config)
    inference = _products(rows, width, 2 * moved) + moved * rows * width * (150 if adam else 50)
    inference += config.max_t * (12 + 8 * adam) * CALL * (config.rule is Rule.pc)
    passes = _products(rows, width, (3 if config.rule is Rule.bp else 2) * n_hidden) + 3 * _images_in(rows, width)
    update = PASS * _n_weights(config) + 30 * n_hidden * CALL + 20 * CALL
    tests = config.data.n_steps // config.data.test_every
    n_test = config.data.n_test
    tested = _products(n_test, width, n_hidden) + _images_in(n_test, width) + 20 * n_test * width * n_hidden
    hessian = (tests + 1) * _condition_number(n_hidden, width) if config.record.condition_number else 0.0
    # Lightning takes its time to begin
    begin = 0.3 * NOMINAL
    return begin + _n_members(config) * (config.data.n_steps * (inference + passes + update) + tests * tested + hessian)


def _condition_number(n_hidden: int, width: int) -> float:
    """Blocks of the activity Hessian in float64, their factors, and the two ends of the spectrum."""
    return 40 * n_hidden * width**3 + 1.2e4 * n_hidden * width**2 + 3000 * CALL


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


@kernels.register
def _(config: PcTraining) -> float:
    inference = 8.0 * config.max_t if config.rule is Rule.pc else 0.0
    tests = config.data.n_steps // config.data.test_every
    hessians = (tests + 1) * _n_members(config) * 2e4 if config.record.condition_number else 0.0
    return config.data.n_steps * (inference + 6.0 * config.model.n_hidden + 100.0) + tests * 2000.0 + hessians


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
