"""How fast this machine is, measured once in a moment and kept in `results/cache/machines.json` by the host's name.

`deepcredit.plan.cost` counts seconds of a nominal core; the speed says how many of them a core here does in one. Of a
CUDA device it counts operations and bytes.
"""

import json
import socket
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from deepcredit.core import paths
from deepcredit.core.files import write_text
from deepcredit.plan.cost import A100, Device

#: CPU seconds that a nominal core takes for the sample of work
NOMINAL_SAMPLE = 0.014

#: what is measured: a core beside the nominal one, a CUDA device's operations and bytes a second; unmeasured ones
CORE, OPERATIONS, BYTES = "core", "cuda", "cuda bytes"
NOMINAL = {CORE: 1.0, OPERATIONS: A100.operations, BYTES: A100.bytes}


@cache
def speed(measure: str = CORE) -> float:
    """One of the measures, here.

    Where it was not taken, that of the slowest machine where it was, or the nominal one.
    """
    known = _known()
    own = known.get(socket.gethostname(), {}).get(measure)
    others = [speeds[measure] for speeds in known.values() if measure in speeds]
    return own or min(others, default=NOMINAL[measure])


def device() -> Device:
    """The CUDA device here, or the slowest that was measured."""
    return Device(speed(OPERATIONS), speed(BYTES))


def calibrate(on_cuda: bool = False) -> None:
    """Measure this machine's core or its CUDA device, unless that was done. On the CPU with torch's threads.

    Imports torch.
    """
    measured = _known().get(socket.gethostname(), {})
    if (BYTES if on_cuda else CORE) in measured:
        return
    found = _measure_cuda() if on_cuda else {CORE: _measure_cpu()}
    known = _known()
    known.setdefault(socket.gethostname(), {}).update(found)
    write_text(_path(), json.dumps(known, indent=1, sort_keys=True) + "\n")


def _path() -> Path:
    return paths.cache_folder() / "machines.json"


def _known() -> dict[str, dict[str, float]]:
    try:
        return json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _measure_cpu() -> float:
    import torch

    z, w = torch.ones(8, 64, 128), torch.full((8, 128, 128), 1e-3)
    taken = []
    for _ in range(7):
        started = time.process_time()
        for _ in range(40):
            z = torch.tanh(z @ w)
        taken.append(time.process_time() - started)
    return NOMINAL_SAMPLE / min(taken)


def _measure_cuda() -> dict[str, float]:
    import torch

    a, w = torch.ones(64, 64, 512, device="cuda"), torch.full((64, 512, 512), 1e-3, device="cuda")
    large, out = torch.ones(2, 2**26, device="cuda")  # 256 MiB each: no cache holds them
    product, moving = _seconds(lambda: torch.bmm(a, w)), _seconds(lambda: torch.add(large, 1.0, out=out))
    return {OPERATIONS: 2 * a.numel() * w.shape[2] / product, BYTES: 2 * large.nbytes / moving}


def _seconds(work: Callable[[], Any]) -> float:
    """What a kernel of a CUDA device takes, warm."""
    import torch

    for _ in range(3):
        work()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(20):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / 20
