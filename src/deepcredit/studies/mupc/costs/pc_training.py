"""What a training on images costs.

Seconds were fitted to the processor time of 138 trainings (widths 32 to 1024, 8 to 128 hidden layers, up to 500 steps
of inference): the estimates were 0.73 to 1.28 of what was measured.
"""

from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.names import IMAGE_SIZE, N_CLASSES, Algorithm, Rule
from deepcredit.plan.cost import Cost
from deepcredit.studies.mupc.schemas.pc_training import PcTraining

#: of an operation in the products of inference, in other products of a training, and in those of a test
INFERRED, LEARNED, TESTED = 8.0e-12, 2.0e-11, 5.5e-12
#: of an activity that moves; by Adam, that much more
MOVED, MOVED_BY_ADAM = 7.8e-10, 1.2e-9
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


def core_seconds(config: PcTraining) -> float:
    """Seconds of the nominal core for a cell."""
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
    return seconds + ACTIVATIONS[config.model.act_fn].seconds * (moved + n_hidden) * activities


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


def memory(config: PcTraining) -> float:
    """Bytes that a cell holds at once."""
    rows = config.data.batch_size
    images = 2 * 4 * 70_000 * IMAGE_SIZE
    layers = 10 * config.model.n_hidden * rows * config.model.width
    blocks = 8 * 6 * config.model.n_hidden * config.model.width**2 if config.record.condition_number else 0
    each = 4 * (6 * _n_weights(config) + layers) + 8 * config.data.n_steps
    # members are trained in as many parts as the memory asks for
    together = max(each, min(_n_members(config) * each, 0.8 * 2**30 * config.trainer.memory_gib))
    return images + blocks + together


def cost(config: PcTraining) -> Cost:
    """What a cell asks of a machine."""
    model = config.model
    return Cost(
        core_seconds(config),
        memory(config),
        operations(config),
        kernels(config),
        holds=f"training a network of width {model.width} with {model.n_hidden} hidden layers",
        remedy="reduce model.width or model.n_hidden",
    )
