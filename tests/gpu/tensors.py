"""Tensors of the pretended CUDA device, and what one operation of torch does with them."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

if TYPE_CHECKING:
    from tests.gpu.pretend import Device

CUDA = torch.device("cuda", 0)

#: what is counted in `Device.events`
WAITED, FROM_HOST, TO_HOST, REPLAYED = "waited", "copied from the host", "copied to the host", "graphs replayed"

aten = torch.ops.aten
#: operations whose answer is on the host
_LOOKS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2", "unique_dim", "item"}
_LOOKS |= {"_linalg_check_errors"}
#: methods that look before they are operations
_LOOKED_AT_BY = (Tensor.tolist, Tensor.item, Tensor.__float__, Tensor.__int__, Tensor.__bool__, Tensor.__index__)
#: documented as having no deterministic kernel on a CUDA device
NOT_DETERMINISTIC = {"cumsum", "histc", "bincount", "median", "put_", "nll_loss_forward", "nll_loss2d_forward"}
NOT_DETERMINISTIC |= {"scatter_reduce", "max_unpool2d", "_ctc_loss_backward", "grid_sampler_2d_backward", "kthvalue"}
#: operations that start no kernel and leave memory as it is
ALLOCATE = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"}
_START_NOTHING = ALLOCATE | {"_unsafe_view", "detach", "_local_scalar_dense"}
_INDEX = {"index", "index_put", "index_put_", "_index_put_impl_"}


class Block:
    """Memory of one storage on the device."""

    def __init__(self, size: int) -> None:
        self.size = size


class OnDevice(Tensor):
    """A tensor that says it is on the device."""

    held: Tensor
    block: Block
    on: "Device"

    @staticmethod
    def __new__(cls, held: Tensor, block: Block, on: "Device") -> "OnDevice":
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        made = Tensor._make_wrapper_subclass(cls, held.size(), device=CUDA, **layout)
        made.held, made.block, made.on = held, block, on
        return made

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """A torch without CUDA asks for a guard of the device in these: they are done without asking."""
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            if func is Tensor.copy_:
                blocking = {key: value for key, value in kwargs.items() if key == "non_blocking"}
                return _device_of(args).dispatch(aten.copy_.default, args, blocking)
            if func in _LOOKED_AT_BY:
                args[0].on.event(WAITED)
                return func(args[0].held)
            if func in (Tensor.__getitem__, Tensor.__setitem__) and isinstance(args[0], OnDevice):
                return _indexed(*args)
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _device_of((args, kwargs)).dispatch(func, args, kwargs or {})

    def __reduce_ex__(self, protocol: Any) -> Any:
        self.on.event(TO_HOST)
        return self.held.__reduce_ex__(protocol)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"OnDevice({tuple(self.shape)}, {self.dtype})"


def _device_of(arguments: Any) -> "Device":
    return next(leaf.on for leaf in tree_leaves(arguments) if isinstance(leaf, OnDevice))


def _indexed(tensor: OnDevice, index: Any, *value: Any) -> Any:
    """`tensor[index]`, or with a value `tensor[index] = value`, by whole numbers and slices."""
    parts = index if isinstance(index, tuple) else (index,)
    assert not any(isinstance(part, Tensor | list) for part in parts), "advanced indexing on the device"
    with _disable_current_modes():
        view = tensor.on.wrap(tensor.held[index])
    if not value:
        return view
    if isinstance(value[0], Tensor):
        return tensor.on.dispatch(aten.copy_.default, (view, value[0]), {})
    return view.fill_(value[0])


def _held(value: Any) -> Any:
    if isinstance(value, OnDevice):
        return value.held
    return torch.device("cpu") if isinstance(value, torch.device) and value.type == "cuda" else value


class Call:
    """One operation, and which of its tensors are on the device."""

    def __init__(self, func: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self.func, self.args, self.kwargs, self.schema = func, args, kwargs, func._schema
        self.name = self.schema.name.removeprefix("aten::")
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        self.ours = [tensor for tensor in tensors if isinstance(tensor, OnDevice)]
        self.others = [tensor for tensor in tensors if not isinstance(tensor, OnDevice)]

    def run(self) -> Any:
        """Do it on the host's memory."""
        return self.func(*tree_map(_held, self.args), **tree_map(_held, self.kwargs))

    @property
    def on_device(self) -> bool:
        """Whether its result is on the device."""
        wanted = self.kwargs.get("device")
        if wanted is not None:
            return torch.device(wanted).type == "cuda"
        return bool(self.ours)

    @property
    def writes(self) -> bool:
        """Whether it writes to a tensor that it was given."""
        return self.schema.is_mutable

    @property
    def is_view(self) -> bool:
        """Whether its result is memory that it was given."""
        return not self.writes and any(result.alias_info is not None for result in self.schema.returns)

    @property
    def looks(self) -> bool:
        """Whether the host waits for numbers of the device."""
        by_mask = self.name in _INDEX and any(
            isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in self.args[1]
        )
        return self.name in _LOOKS or by_mask

    @property
    def non_blocking(self) -> bool:
        """Whether the host goes on while this copies."""
        return bool(self.kwargs.get("non_blocking") or (self.name == "copy_" and self.args[2:] == (True,)))

    @property
    def kernels(self) -> list[str]:
        """The kernels that it starts; a product that adds to another tensor first copies that."""
        if self.is_view or self.name in _START_NOTHING:
            return []
        adds = self.name == "baddbmm" and self.kwargs.get("beta", 1) != 0
        return [self.name, *(["baddbmm's copy"] if adds and self.kwargs.get("out") is not self.args[0] else [])]

    def written(self) -> Any:
        """What an operation that writes returns: the tensors written."""
        positions = enumerate(self.schema.arguments)
        given = {a.name: self.args[i] if i < len(self.args) else self.kwargs.get(a.name) for i, a in positions}
        written = [a for a in self.schema.arguments if a.alias_info is not None and a.alias_info.is_write]
        by_alias = {frozenset(a.alias_info.after_set): given[a.name] for a in written}
        returned = [r.alias_info for r in self.schema.returns if r.alias_info is not None]
        results = tuple(by_alias[frozenset(alias.after_set)] for alias in returned)
        return results[0] if len(results) == 1 else results or None
