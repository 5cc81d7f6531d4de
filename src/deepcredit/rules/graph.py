"""One CUDA graph of work that is the same for every batch: captured at the first run, replayed at every later one."""

from collections.abc import Callable

import torch
from torch import Tensor

#: runs before the capture, in which libraries allocate what they need
WARM_UP_RUNS = 3


class Graph:
    """Replays `work` on tensors of one shape, which must use the same memory at every run and look at no number."""

    def __init__(self, work: Callable[..., None]) -> None:
        self._work = work
        self._inputs: list[Tensor] = []
        self._graph: torch.cuda.CUDAGraph | None = None

    def run(self, *inputs: Tensor) -> None:
        """Do the work on copies of `inputs`, on the current stream."""
        if self._graph is None:
            self._inputs = [tensor.clone() for tensor in inputs]
            self._graph = self._capture()
        for own, tensor in zip(self._inputs, inputs, strict=True):
            own.copy_(tensor)
        self._graph.replay()

    def _capture(self) -> torch.cuda.CUDAGraph:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_RUNS):
                self._work(*self._inputs)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._work(*self._inputs)
        return graph
