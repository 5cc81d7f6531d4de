"""How fast this machine is, measured once in a moment and kept in `results/cache/machines.json` by the host's name.

`deepcredit.plan.cost` counts seconds of a nominal core; the speed says how many of them a core here does in one.
"""

import json
import socket
import time
from functools import cache
from pathlib import Path
from typing import Any

from deepcredit.core import paths
from deepcredit.core.files import write_text
from deepcredit.plan.cost import CUDA_OPERATIONS

#: CPU seconds that a nominal core takes for the sample of work
NOMINAL_SAMPLE = 0.014

CORE, CUDA = "core", "cuda"


@cache
def speed(device: str = CORE) -> float:
    """Of a core here beside a nominal one, or operations a second of a CUDA device.

    Where it was not measured, that of the slowest machine that was, or the nominal one.
    """
    known = _known()
    own = known.get(socket.gethostname(), {}).get(device)
    others = [speeds[device] for speeds in known.values() if device in speeds]
    return own or min(others, default=1.0 if device == CORE else CUDA_OPERATIONS)


def calibrate(device: str = CORE) -> None:
    """Measure this machine, unless that was done. Imports torch; on the CPU with as many threads as torch uses."""
    if device in _known().get(socket.gethostname(), {}):
        return
    found = _measure_cpu() if device == CORE else _measure_cuda()
    known = _known()
    known.setdefault(socket.gethostname(), {})[device] = found
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


def _measure_cuda() -> float:
    import torch

    a: Any = torch.ones(64, 64, 512, device="cuda")
    w = torch.full((64, 512, 512), 1e-3, device="cuda")
    for _ in range(3):
        a @ w
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(20):
        a @ w
    torch.cuda.synchronize()
    return 20 * 2 * 64 * 64 * 512 * 512 / (time.perf_counter() - started)
