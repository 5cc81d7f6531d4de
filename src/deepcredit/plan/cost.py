"""What a cell costs: seconds of a core, operations, memory; and from them, time on a device.

Every kind of experiment says what its cells cost, in one function beside its schema. By this, jobs are given their
share of the work and their limits on a cluster, and work that cannot fit is refused before it begins. Estimates are
kept apart from what runs, so that a better one makes no array stale.

Seconds are those of the nominal core, on which the estimates were measured. `deepcredit.plan.machine` measures how much
faster or slower than that a machine is.
"""

from dataclasses import dataclass

from deepcredit.config.schema import Accelerator, Experiment
from deepcredit.config.studies import part_of
from deepcredit.core.errors import UserError

#: seconds that any cell takes
CELL_SECONDS = 0.05

#: memory of Python, torch and a data set, in bytes
PROCESS_BYTES = 1.5 * 2**30

#: memory of a cell that holds little, in bytes
SMALL_BYTES = 2.0**28

#: memory of the host that a process holds beside a CUDA device, in bytes: with CUDA's libraries
CUDA_PROCESS_BYTES = 4.0 * 2**30

#: seconds of a kernel in a captured graph, however little it does
KERNEL_SECONDS = 2e-6


@dataclass(frozen=True)
class Device:
    """What a CUDA device does in a second: float32 operations in products, bytes in element-wise kernels."""

    operations: float
    bytes: float


#: by their data sheets: 62 % of the float32 peak and 85 % of the bandwidth; one that was not measured is an A100
H100, A100 = Device(0.62 * 67e12, 0.85 * 3.35e12), Device(0.62 * 19.5e12, 0.85 * 2.0e12)


@dataclass(frozen=True)
class CudaWork:
    """What a cell asks of a CUDA device, and of the host beside it."""

    operations: float  #: float32 operations of its matrix products
    kernels: float  #: that the device starts one after the other
    bytes: float = 0.0  #: that element-wise kernels read and write
    host_seconds: float = 0.0  #: of the nominal core, for which the device waits
    host_bytes: float = SMALL_BYTES  #: that the host holds at once, beside those of any process

    def seconds(self, device: Device, speed: float = 1.0) -> float:
        """How long a device is expected to be taken, beside a core which is so many times as fast as the nominal."""
        moved = self.operations / device.operations + self.bytes / device.bytes
        return self.host_seconds / speed + KERNEL_SECONDS * self.kernels + moved


@dataclass(frozen=True)
class Cost:
    """What a cell asks of a machine."""

    core_seconds: float = 0.0  #: of the nominal core
    memory_bytes: float = SMALL_BYTES  #: that it holds at once, beside those of any process
    #: on a CUDA device; None for what is computed on the CPU wherever there is one
    cuda: CudaWork | None = None
    #: what takes the memory, and how to need less: for who asked for more than there is
    holds: str = "the cell"
    remedy: str = "choose smaller sizes"

    def cpu_seconds(self, speed: float = 1.0) -> float:
        """Seconds that one core is expected to compute, which is so many times as fast as the nominal one."""
        return CELL_SECONDS + self.core_seconds / speed

    def cuda_seconds(self, device: Device = A100, speed: float = 1.0) -> float | None:
        """Seconds that a CUDA device is expected to compute; None for work that is not done there."""
        return None if self.cuda is None else CELL_SECONDS + self.cuda.seconds(device, speed)

    def host_bytes(self, on_cuda: bool = False) -> float:
        """Memory of the host that the cell holds, beside that of any process."""
        return self.cuda.host_bytes if on_cuda and self.cuda else self.memory_bytes

    def process_bytes(self, on_cuda: bool = False) -> float:
        """Memory of the host for the process that computes the cell."""
        return (CUDA_PROCESS_BYTES if on_cuda else PROCESS_BYTES) + self.host_bytes(on_cuda)


def cost(config: Experiment) -> Cost:
    """What the cell with this config asks of a machine, as its kind of experiment says."""
    return part_of(config.kind, "cost")(config)


def check_memory(config: Experiment) -> None:
    """Raise a `UserError` with a remedy where a cell would hold more than `trainer.memory_gib` of the host's memory."""
    of, granted = cost(config), config.trainer.memory_gib
    needed = of.host_bytes(config.trainer.accelerator is Accelerator.cuda) / 2**30
    if needed > granted:
        raise UserError(
            f"{of.holds} needs about {needed:.1f} GiB of memory and trainer.memory_gib={granted:g}; "
            f"{of.remedy}, or set trainer.memory_gib to what the machine has"
        )
