"""CUDA devices: which there are, and one of them for a job.

A job that computes on a device has it to itself: it holds a lock that has the device's UUID as its name, and that the
system takes back when the process ends, however it ends. From then on the process sees no other device. Nothing here
starts CUDA: what computes on the CPU leaves devices alone, and none that is taken stands in its way.
"""

import fcntl
import logging
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from deepcredit.config.schema import Accelerator
from deepcredit.core.errors import UserError, check

#: what CUDA looks at: the devices that a process may see, by their numbers or UUIDs
VISIBLE = "CUDA_VISIBLE_DEVICES"

#: seconds between two looks at whether a device is free
PATIENCE = 1.0

log = logging.getLogger(__name__)

#: locks that this process holds, by UUID
_held: dict[str, IO[str]] = {}


def visible() -> tuple[str, ...]:
    """UUIDs of the devices that this process may see, in their order."""
    listed = _uuids(_listing())
    words = os.environ.get(VISIBLE)
    return listed if words is None else tuple(_named(words, listed))


def for_jobs(asked: int | None) -> int:
    """How many devices the jobs of a build here share: those there are, or so many of them as are `asked` for.

    Raises a `UserError` where fewer are there.
    """
    found = len(visible())
    if asked is not None:
        check(0 <= asked <= found, "--resources gpu", asked, f"0 to {found}, the CUDA devices here")
    return found if asked is None else asked


def placed(asked: Accelerator) -> Accelerator:
    """`cpu`, or `cuda` and a device that is this process's own from now on.

    `cuda` waits until a device is free, and raises a `UserError` where there is none; `auto` takes one that is free and
    that the job was given, which in a job of SLURM are those that it asked for.
    """
    if asked is Accelerator.cuda:
        _check_some(visible())
        while not _take(visible()):
            log.info("every CUDA device has a job; waiting for one")
            time.sleep(PATIENCE)
        return asked
    if asked is Accelerator.auto and (given := _given()):
        if _take(given):
            return Accelerator.cuda
        log.info("every CUDA device has a job; computing on the CPU (trainer.accelerator=cuda waits for a device)")
    return Accelerator.cpu


def _check_some(found: Sequence[str]) -> None:
    if found:
        return
    seen = f" that {VISIBLE}={os.environ[VISIBLE]} leaves visible" if VISIBLE in os.environ else ""
    why = f"`nvidia-smi --list-gpus` names no device{seen}" if torch_has_cuda() else "torch is installed without CUDA"
    raise UserError(f"trainer.accelerator=cuda is not possible here: {why}")


def _given() -> tuple[str, ...]:
    """SLURM says by `VISIBLE` which devices a job asked for; not every cluster hides the others."""
    return () if "SLURM_JOB_ID" in os.environ and VISIBLE not in os.environ else visible()


def _take(devices: Sequence[str]) -> bool:
    """Whether one of the devices was free, or this process's own; it is the only visible one then."""
    taken = next(filter(_lock, devices), None)
    if taken:
        os.environ[VISIBLE] = taken
    return taken is not None


def _lock(device: str) -> bool:
    if device in _held:
        return True
    file = (_folder() / device).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _held[device] = file
    return True


def _folder() -> Path:
    """Of the locks: one for each user of this machine, whatever the clone."""
    folder = Path(tempfile.gettempdir()) / f"deepcredit-devices-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


# --- what there is ------------------------------------------------------------------------------------------------


def torch_has_cuda() -> bool:
    """Whether the torch that is installed was built for CUDA; does not import it."""
    found = find_spec("torch")
    version = Path(found.origin).with_name("version.py") if found and found.origin else None
    return version is not None and bool(re.search(r"^cuda\b.*=\s*'", version.read_text(encoding="utf-8"), re.MULTILINE))


def _listing() -> str:
    """What the driver says of its devices; nothing where there is no driver, or no torch that could use them."""
    if not torch_has_cuda():
        return ""
    try:
        return subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def _uuids(listing: str) -> tuple[str, ...]:
    """Of all devices in a listing; where one is cut into instances, those of its instances."""
    found: list[str] = []
    for uuid in re.findall(r"UUID: ((?:GPU|MIG)-[^)\s]+)", listing):
        if uuid.startswith("MIG") and found and found[-1].startswith("GPU"):
            found.pop()
        found.append(uuid)
    return tuple(found)


def _named(words: str, listed: Sequence[str]) -> Iterator[str]:
    """The devices that the value of `VISIBLE` names; like CUDA, up to the first that there is not."""
    for word in words.split(","):
        device = _device(word.strip(), listed)
        if device is None:
            return
        yield device


def _device(word: str, listed: Sequence[str]) -> str | None:
    if word.isdigit():
        return listed[int(word)] if int(word) < len(listed) else None
    return next((device for device in listed if word and device.startswith(word)), None)
