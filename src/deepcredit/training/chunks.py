"""Chunks of an ensemble: as many members at a time as the memory holds."""

import gc
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from deepcredit.core.files import write_text
from deepcredit.training.members import Member, Recipe

T = TypeVar("T")

#: arrays as large as all activities that a rule may hold: inference by Adam holds so many
BUFFERS = 7
#: share of the memory free that an ensemble is planned to fill
MEMORY_SHARE = 0.8
#: how CUDA and its libraries say that memory is used up, besides torch's own error
_USED_UP = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


class Sizes:
    """How many members each chunk has, in order; the last number holds for all that follow.

    Decided once: with a `file`, what was decided before is read there, whatever memory is free now, since a checkpoint
    is of use only to the members that it was written by.
    """

    def __init__(self, planned: int, file: Path | None = None) -> None:
        self._file = file
        if file is not None and file.is_file():
            self._sizes: list[int] = json.loads(file.read_text())
        else:
            self._decide([planned])

    def of(self, chunk: int) -> int:
        """The size of a chunk, numbered from 0."""
        return self._sizes[min(chunk, len(self._sizes) - 1)]

    def lower(self, chunk: int, size: int) -> None:
        """From this chunk on, `size` members."""
        self._decide([*map(self.of, range(chunk)), size])

    def _decide(self, sizes: list[int]) -> None:
        self._sizes = sizes
        if self._file is not None:
            write_text(self._file, json.dumps(sizes))


def in_chunks(work: Callable[[Sequence[Member]], T], members: Sequence[Member], sizes: Sizes) -> list[T]:
    """`work` on a chunk of members at a time; on smaller ones where a CUDA device runs out of memory.

    Raises the device's error where a single member is too much for it.
    """
    done: list[T] = []
    first = 0
    while first < len(members):
        some = members[first : first + sizes.of(len(done))]
        try:
            done.append(work(some))
            first += len(some)
        except RuntimeError as error:
            if len(some) == 1 or not out_of_memory(error):
                raise
            sizes.lower(len(done), len(some) // 2)
        # here, where no traceback holds the tensors of what failed
        free_unused()
    return done


def out_of_memory(error: RuntimeError) -> bool:
    """Whether a CUDA device has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _USED_UP)


def free_unused() -> None:
    """Give back the memory of what nobody uses any more: trainers, modules and graphs refer to themselves."""
    gc.collect()
    torch.cuda.empty_cache()


def bytes_per_member(recipe: Recipe) -> int:
    """Memory of a member in float32: weights, gradients and two moments, copies of the layers; and activities."""
    net = recipe.net
    weights = 4 * sum(n_out * n_in for n_out, n_in in net.layer_shapes)
    copies = 2 * max(net.n_hidden - 1, 0) * net.width**2
    return 4 * (weights + copies + recipe.batch_size * (BUFFERS * net.n_hidden * net.width + 2 * net.input_size))


def free_memory(device: torch.device, host_bytes: float) -> float:
    """Bytes that an ensemble may be planned to fill: of the device's free memory, or of the host's `host_bytes`."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else host_bytes
    return MEMORY_SHARE * free
