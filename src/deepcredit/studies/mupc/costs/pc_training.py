"""What a training on images costs.

What the rule itself takes is in `deepcredit.rules.costs`. Seconds were fitted to the processor time of 138 trainings
(widths 32 to 1024, 8 to 128 hidden layers, up to 500 steps of inference): the estimates were 0.73 to 1.28 of what was
measured.
"""

import math

from deepcredit.plan.cost import Cost, CudaWork
from deepcredit.rules.costs import LEARNED, Batch, BatchCost
from deepcredit.rules.rule import RULES
from deepcredit.studies.mupc.schemas.pc_training import PcTraining

#: of an operation in the products of a test
TESTED = 5.5e-12
#: of updating a weight, and of drawing its first value; of a batch, for a member and for all together
UPDATED, DRAWN, MEMBER, BATCH = 7.4e-10, 1.4e-7, 3.3e-4, 4.0e-4
#: of an activity in a test
TESTED_ACTIVITY = 3.3e-9

#: on a CUDA device. Kernels of a batch beside those of the rule: images, losses, Adam; of a layer in a test, for
#: `TEST_ROWS` images at once; passes of Adam over arrays as large as the weights
BATCH_KERNELS, TESTED_LAYER_KERNELS, TEST_ROWS, ADAM_PASSES = 40, 4, 1024, 7
#: seconds of a condition number there, and of each of its layers, most of them waiting for the host
CONDITION, CONDITION_LAYER = 0.15, 2e-3


def _batch(config: PcTraining) -> Batch:
    """What a member learns from at once."""
    model, sizes = config.model, config.data.sizes
    return Batch(sizes.n_inputs, model.width, model.n_hidden, sizes.n_classes, model.act_fn, config.data.batch_size)


def _learning(config: PcTraining) -> BatchCost:
    """What the rule takes for a member's batch."""
    return RULES[config.rule].implements["mlp"].batch_cost(_batch(config), config.options)


def _n_members(config: PcTraining) -> int:
    return len(config.seed) * len(config.optimizer.lr) * len(config.inference.lr) * len(config.inference.activity_decay)


def _n_tests(config: PcTraining) -> int:
    return config.data.n_steps // config.data.test_every


def core_seconds(config: PcTraining) -> float:
    """Seconds of the nominal core for a cell."""
    steps, members = config.data.n_steps, _n_members(config)
    batch = _batch(config)
    a_step = MEMBER + UPDATED * batch.n_weights + LEARNED * batch.operations + _learning(config).seconds
    own = DRAWN * batch.n_weights + steps * a_step + _n_tests(config) * _test_seconds(config)
    if config.record.condition_number:
        own += (1 + _n_tests(config)) * _condition_seconds(config.model.n_hidden, config.model.width)
    return steps * BATCH + members * own


def _test_seconds(config: PcTraining) -> float:
    width, n_hidden = config.model.width, config.model.n_hidden
    products, activities = 2 * (n_hidden * width**2 + config.data.sizes.n_inputs * width), n_hidden * width
    return config.data.n_tested * (TESTED * products + TESTED_ACTIVITY * activities)


def _condition_seconds(n_hidden: int, width: int) -> float:
    """Blocks of the activity Hessian in float64, their factors, and the two ends of the spectrum."""
    return n_hidden * (1.5e-3 + 1.5e-7 * width**2 + 1.2e-9 * width**3)


def cuda(config: PcTraining) -> CudaWork:
    """What a cell asks of a CUDA device: all members are in one stack, and the host draws and measures."""
    steps, members, learning, batch = config.data.n_steps, _n_members(config), _learning(config), _batch(config)
    tested = 2 * config.data.n_tested * batch.n_weights * _n_tests(config)
    return CudaWork(
        operations=members * (steps * learning.operations + tested),
        kernels=steps * (learning.kernels + BATCH_KERNELS) + _n_tests(config) * _test_kernels(config),
        bytes=members * steps * (learning.bytes + 4 * ADAM_PASSES * batch.n_weights),
        host_seconds=_host_seconds(config),
        # the weights of a member, on their way to the device
        host_bytes=_images(config) + 4 * batch.n_weights + 8 * members * steps,
    )


def _test_kernels(config: PcTraining) -> float:
    return TESTED_LAYER_KERNELS * config.model.n_hidden * math.ceil(config.data.n_tested / TEST_ROWS)


def _host_seconds(config: PcTraining) -> float:
    """What the device waits for."""
    drawn = len(config.seed) * DRAWN * _batch(config).n_weights
    measured = (1 + _n_tests(config)) * _n_members(config) * (CONDITION + CONDITION_LAYER * config.model.n_hidden)
    return drawn + config.data.n_steps * BATCH + (measured if config.record.condition_number else 0.0)


def memory(config: PcTraining) -> float:
    """Bytes that a cell holds at once."""
    rows = config.data.batch_size
    layers = 10 * config.model.n_hidden * rows * config.model.width
    blocks = 8 * 6 * config.model.n_hidden * config.model.width**2 if config.record.condition_number else 0
    each = 4 * (6 * _batch(config).n_weights + layers) + 8 * config.data.n_steps
    # members are trained in as many parts as the memory asks for
    together = max(each, min(_n_members(config) * each, 0.8 * 2**30 * config.trainer.memory_gib))
    return _images(config) + blocks + together


def _images(config: PcTraining) -> float:
    """Bytes of the data set, as it is read and normalised."""
    sizes = config.data.sizes
    return 2 * 4 * (sizes.n_train + sizes.n_test) * sizes.n_inputs


def cost(config: PcTraining) -> Cost:
    """What a cell asks of a machine."""
    model = config.model
    return Cost(
        core_seconds(config),
        memory(config),
        cuda(config),
        holds=f"training a network of width {model.width} with {model.n_hidden} hidden layers",
        remedy="reduce model.width or model.n_hidden",
    )
