"""A CUDA device made of CPU memory: what it refuses, a real one refuses.

Tensors that say `cuda:0` hold CPU tensors. Devices never meet in one operation. While a graph is captured nothing waits
for the device, nothing is copied from or to the host, and nothing is computed; a graph is replayed operation by
operation on the memory that it was captured with. Counted: kernels, waits, copies, and bytes in use, of which there may
be `capacity`.

It cannot show what only a device has: the allocator's rounding and pools, the choice of kernels, races between
streams, speed. Name the device with its index: `cuda:0`.
"""

import contextlib
import importlib
import sys
import weakref
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from tests.gpu.tensors import (
    ALLOCATE,
    FROM_HOST,
    NOT_DETERMINISTIC,
    REPLAYED,
    TO_HOST,
    WAITED,
    Block,
    Call,
    OnDevice,
)

UNLIMITED = 1 << 62
#: what is in the names of files whose lines cause nothing
_NOT_THE_CAUSE = ("/torch/", "/tests/gpu/pretend.py", "/tests/gpu/tensors.py")


class Graph:
    """A captured graph: operations with the memory that they read and write."""

    def __init__(self, on: "Device") -> None:
        self._on = on
        self._steps: list[tuple[Call, list[OnDevice]]] = []

    def add(self, call: Call, results: list[OnDevice]) -> None:
        """Captures an operation, whose new results nobody may read before a replay."""
        if call.name in ALLOCATE:
            return
        given = {tensor.block for tensor in call.ours}
        for result in results:
            if result.block not in given and result.dtype.is_floating_point:
                result.held.fill_(torch.nan)
        self._steps.append((call, results))

    def replay(self) -> None:
        """Do the work."""
        assert self._on.capturing is None
        self._on.event(REPLAYED)
        with _disable_current_modes(), torch.no_grad():
            for call, results in self._steps:
                found = [leaf for leaf in tree_leaves(call.run()) if isinstance(leaf, Tensor)]
                for result, new in zip(results, found, strict=True) if results else ():
                    result.held.copy_(new)


class Device:
    """The device: what is on it, and what has happened on it."""

    def __init__(self, capacity: int = UNLIMITED) -> None:
        self.capacity, self.used, self.peak = capacity, 0, 0
        self.capturing: Graph | None = None
        self.events: Counter[str] = Counter()
        #: event and the project's line that caused it
        self.places: Counter[tuple[str, str]] = Counter()
        self.kernels: Counter[str] = Counter()
        #: whether waiting for the device is an error
        self.must_not_wait = False
        self._blocks: weakref.WeakValueDictionary[int, Block] = weakref.WeakValueDictionary()

    def wrap(self, tensor: Tensor) -> OnDevice:
        """The host's `tensor` as one of the device's. Raises `OutOfMemoryError` where it does not fit."""
        storage = tensor.untyped_storage()
        block = self._blocks.get(storage._cdata)
        if block is None:
            block = self._blocks[storage._cdata] = self._allocate(storage.nbytes())
        return OnDevice(tensor, block, self)

    def _allocate(self, size: int) -> Block:
        if self.used + size > self.capacity:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {self.used + size} of {self.capacity}")
        self.used += size
        self.peak = max(self.peak, self.used)
        block = Block(size)
        weakref.finalize(block, self._free, size)
        return block

    def _free(self, size: int) -> None:
        self.used -= size

    def event(self, name: str) -> None:
        """Counts something. Raises where it may not happen."""
        self.events[name] += 1
        self.places[name, _place()] += 1
        if self.capturing is not None:
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing: {name}")
        if self.must_not_wait and name in (WAITED, TO_HOST):
            raise RuntimeError(f"called a synchronizing CUDA operation: {name}")

    def dispatch(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Any operation of torch, on whichever device."""
        call = Call(func, args, kwargs)
        with _disable_current_modes():
            if call.name in ("copy_", "_copy_from") and call.ours and call.others:
                return self._copy(call)
            if call.name == "_to_copy":
                self._note_move(call)
            elif call.ours:
                self._check(call)
            return self._compute(call) if call.on_device else call.run()

    def _copy(self, call: Call) -> Any:
        """Between the host and the device."""
        if isinstance(call.args[0], OnDevice):
            self._from_host(call)
        else:
            self.event(TO_HOST)
        with torch.no_grad():
            call.run()
        return call.args[0]

    def _note_move(self, call: Call) -> None:
        if call.ours and not call.on_device:
            self.event(TO_HOST)
        if call.others and call.on_device:
            self._from_host(call)

    def _from_host(self, call: Call) -> None:
        self.event(FROM_HOST)
        if not call.non_blocking:
            self.event(WAITED)

    def _check(self, call: Call) -> None:
        if any(tensor.dim() for tensor in call.others):
            raise RuntimeError(f"Expected all tensors to be on the same device: {call.func}")
        if call.looks:
            self.event(WAITED)
        if call.name in NOT_DETERMINISTIC and torch.are_deterministic_algorithms_enabled():
            raise RuntimeError(f"{call.name} does not have a deterministic implementation")

    def _compute(self, call: Call) -> Any:
        self.kernels.update(call.kernels)
        if self.capturing is not None and call.writes:
            self.capturing.add(call, [])
            return call.written()
        own = {id(tensor.held): tensor for tensor in call.ours}
        new: list[OnDevice] = []

        def wrapped(value: Any) -> Any:
            if not isinstance(value, Tensor) or id(value) in own:
                return own.get(id(value), value)
            new.append(self.wrap(value))
            return new[-1]

        result = tree_map(wrapped, call.run())
        if self.capturing is not None and not call.is_view:
            self.capturing.add(call, new)
        return result


def _place() -> str:
    """The innermost line outside torch and this device."""
    frame = sys._getframe(1)
    while frame.f_back is not None and any(part in frame.f_code.co_filename for part in _NOT_THE_CAUSE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"


class _Mode(TorchDispatchMode):
    """Sees what the host's tensors do, since they may be sent to the device."""

    def __init__(self, on: Device) -> None:
        super().__init__()
        self._on = on

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._on.dispatch(func, args, kwargs or {})


class _Stream:
    def wait_stream(self, other: Any) -> None: ...
    def synchronize(self) -> None: ...


def _of_torch_cuda(device: Device) -> dict[str, Any]:
    """What `torch.cuda` has, by name."""
    stream = _Stream()

    @contextlib.contextmanager
    def capture(graph: Graph, *_: Any, **__: Any) -> Iterator[None]:
        device.capturing = graph
        try:
            yield
        finally:
            device.capturing = None

    def set_sync_debug_mode(mode: str | int) -> None:
        device.must_not_wait = mode == "error"

    return {
        "CUDAGraph": lambda *_, **__: Graph(device),
        "Stream": lambda *_, **__: stream,
        "_lazy_init": lambda: None,
        "current_device": lambda: 0,
        "current_stream": lambda _=None: stream,
        "device_count": lambda: 1,
        "empty_cache": lambda: None,
        "get_device_capability": lambda _=None: (9, 0),
        "get_device_name": lambda _=None: "Pretended",
        "graph": capture,
        "is_available": lambda: True,
        "is_current_stream_capturing": lambda: device.capturing is not None,
        "mem_get_info": lambda _=None: (device.capacity - device.used, device.capacity),
        "set_device": lambda _: None,
        "set_sync_debug_mode": set_sync_debug_mode,
        "stream": lambda _: contextlib.nullcontext(),
        "synchronize": lambda _=None: None,
    }


@contextlib.contextmanager
def pretended(capacity: int = UNLIMITED) -> Iterator[Device]:
    """Within this context torch says that a CUDA device is there, the one that this yields."""
    importlib.import_module("deepcredit.training.lightning")  # makes Lightning importable
    import lightning_fabric.accelerators.cuda as fabric
    import pytorch_lightning.accelerators.cuda as lightning

    device = Device(capacity)
    fabric._check_cuda_matmul_precision.cache_clear()
    # `torch.tensor` makes a tensor on the CPU and sends it
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        with pytest.MonkeyPatch.context() as patch, _Mode(device):
            for name, fake in _of_torch_cuda(device).items():
                patch.setattr(torch.cuda, name, fake)
            for module in (fabric, lightning):
                patch.setattr(module, "num_cuda_devices", lambda: 1)
            yield device
    finally:
        torch._C._set_only_lift_cpu_tensors(False)
