"""What a cell costs: seconds of a core, operations, memory; and from them, time on a device.

Every kind of experiment says what its cells cost, in one function beside its schema. By this, jobs are given their
share of the work and their limits on a cluster, and work that cannot fit is refused before it begins. Estimates are
kept apart from what runs, so that a better one makes no array stale.

Seconds are those of the nominal core, on which the estimates were measured. `deepcredit.plan.machine` measures how much
faster or slower than that a machine is.
"""

from dataclasses import dataclass

from deepcredit.config.schema import Experiment
from deepcredit.config.studies import part_of
from deepcredit.core.errors import UserError

#: seconds that any cell takes
CELL_SECONDS = 0.05

#: memory of Python, torch and a data set, in bytes
PROCESS_BYTES = 1.5 * 2**30

#: memory of a cell that holds little, in bytes
SMALL_BYTES = 2.0**28

#: a CUDA device: seconds of a kernel in a captured graph, and operations a second in float32 products
#: (the order of magnitude of a data-centre device; measured ones replace the latter)
KERNEL_SECONDS, CUDA_OPERATIONS = 4e-6, 2e13


@dataclass(frozen=True)
class Cost:
    """What a cell asks of a machine."""

    core_seconds: float = 0.0  #: of the nominal core
    memory_bytes: float = SMALL_BYTES  #: that it holds at once, beside those of any process
    #: float32 operations of its matrix products, and kernels, on a CUDA device; None where it makes no use of one
    operations: float | None = None
    kernels: float | None = None
    #: what takes the memory, and how to need less: for who asked for more than there is
    holds: str = "the cell"
    remedy: str = "choose smaller sizes"

    def cpu_seconds(self, speed: float = 1.0) -> float:
        """Seconds that one core is expected to compute, which is so many times as fast as the nominal one."""
        return CELL_SECONDS + self.core_seconds / speed

    def cuda_seconds(self, operations_per_second: float = CUDA_OPERATIONS) -> float | None:
        """Seconds that a CUDA device is expected to compute; None for work that is not done there."""
        if self.operations is None or self.kernels is None:
            return None
        return CELL_SECONDS + KERNEL_SECONDS * self.kernels + self.operations / operations_per_second

    @property
    def process_bytes(self) -> float:
        """Memory of the process that computes the cell."""
        return PROCESS_BYTES + self.memory_bytes


def cost(config: Experiment) -> Cost:
    """What the cell with this config asks of a machine, as its kind of experiment says."""
    return part_of(config.kind, "cost")(config)


def check_memory(config: Experiment) -> None:
    """Raise a `UserError` with a remedy where a cell would hold more than `trainer.memory_gib`."""
    of, granted = cost(config), config.trainer.memory_gib
    needed = of.memory_bytes / 2**30
    if needed > granted:
        raise UserError(
            f"{of.holds} needs about {needed:.1f} GiB of memory and trainer.memory_gib={granted:g}; "
            f"{of.remedy}, or set trainer.memory_gib to what the machine has"
        )
