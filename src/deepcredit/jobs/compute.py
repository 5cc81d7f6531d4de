"""Compute one cell and put it into the store. The only part of the pipeline that starts torch, and only when asked.

A kind of experiment whose `run` takes `checkpoints` is given a folder to resume from, and one that takes `report` is
given somebody to tell how far it is. Checkpoints lie in `results/checkpoints/<experiment>/<cell>-<hash>`, outside the
outputs that Snakemake deletes before a job; the hash is that of the array, so that other code or another setting never
goes on from them.
"""

import contextlib
import dataclasses
import inspect
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from deepcredit.config.cells import Cell, single_cell
from deepcredit.config.compose import experiment_config, overridden
from deepcredit.config.schema import Accelerator, Experiment, Trainer
from deepcredit.config.studies import part_of
from deepcredit.config.trees import instantiate, tree_of
from deepcredit.core import paths
from deepcredit.core.errors import UserError, check
from deepcredit.jobs.progress import Watcher
from deepcredit.plan import devices, machine
from deepcredit.plan.cost import check_memory, cost
from deepcredit.store import store
from deepcredit.store.address import path_of

log = logging.getLogger(__name__)


def compute(overrides: Sequence[str], also: Sequence[Sequence[str]] = ()) -> Iterator[Path]:
    """Compute the cell that Hydra `overrides` describe, unless the store has it; yields its path.

    Each item of `also` is a further cell of the same experiment: the same settings with these overrides on top.
    Every cell is validated before the first is computed.
    """
    config = experiment_config(overrides)
    trainer = instantiate(Trainer, tree_of(config.trainer))
    described = [config, *(overridden(config, further) for further in also)]
    for cell in [single_cell(settings) for settings in described]:
        yield obtain(cell, trainer)


def obtain(cell: Cell, trainer: Trainer) -> Path:
    """The path of the cell's array file, computed now unless the store has it."""
    path = path_of(cell)
    return path if path.is_file() else _compute(cell, trainer)


def checkpoint_folder(path: Path) -> Path:
    """Where the cell with the array file `path` keeps its checkpoints while it is computed."""
    return paths.checkpoints() / path.parent.name / path.stem


def _compute(cell: Cell, trainer: Trainer) -> Path:
    _log_to_stderr()
    config = _placed(cell, trainer)
    check_memory(config)
    device = prepare_torch(config.trainer)
    run = part_of(cell.kind, "run")
    checkpoints = checkpoint_folder(path_of(cell))
    offered = {"checkpoints": checkpoints, "report": Watcher() if trainer.progress else None}
    taken = {name: offer for name, offer in offered.items() if name in inspect.signature(run).parameters}
    if "checkpoints" in taken:
        _mention_others(checkpoints)
    machine.calibrate(on_cuda=config.trainer.accelerator is Accelerator.cuda)
    started, started_cpu = time.perf_counter(), time.process_time()
    dataset = run(config, **taken)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    facts = {"seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds, 3)}
    path = store.write(cell, dataset, {**facts, "device": device, "threads": trainer.threads})
    _remove(checkpoints)
    return path


def _placed(cell: Cell, trainer: Trainer) -> Experiment:
    """The config of a cell with it decided what it is computed on; a CUDA device is this process's own then."""
    asked = trainer.accelerator
    if cost(cell.config).cuda is None:
        allowed = f"auto or cpu, since {cell.kind} is computed on the CPU"
        check(asked is not Accelerator.cuda, "trainer.accelerator", asked.value, allowed)
        asked = Accelerator.cpu
    return dataclasses.replace(cell.config, trainer=dataclasses.replace(trainer, accelerator=devices.placed(asked)))


def _remove(checkpoints: Path) -> None:
    """Delete a cell's checkpoints, and the folders above that hold nothing else."""
    shutil.rmtree(checkpoints, ignore_errors=True)
    with contextlib.suppress(OSError):
        checkpoints.parent.rmdir()
        checkpoints.parent.parent.rmdir()


def _mention_others(checkpoints: Path) -> None:
    """Say so where a cell of this name has checkpoints that are not its own."""
    same_name = re.compile(re.escape(checkpoints.name[:-12]) + "[0-9a-f]{12}")
    for other in checkpoints.parent.glob("*"):
        if other != checkpoints and same_name.fullmatch(other.name):
            log.info("not used, because of other code or other settings: the checkpoint in %s", paths.relative(other))


def _log_to_stderr() -> None:
    ours = logging.getLogger("deepcredit")
    if not ours.handlers:
        ours.addHandler(logging.StreamHandler())
        ours.setLevel(logging.INFO)
        ours.propagate = False


def prepare_torch(trainer: Trainer) -> str:
    """Fix thread count and determinism of this process; returns the name of the device that it computes on.

    Raises a `UserError` where that is a CUDA device which does not answer.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(trainer.threads)
    # the same as `use_deterministic_algorithms(True)`, which imports the compiler: a second
    torch.set_deterministic_debug_mode("error")
    if trainer.accelerator is not Accelerator.cuda:
        return "cpu"
    try:
        torch.zeros(1, device="cuda")
    except RuntimeError as error:  # of another process alone, or broken
        said = str(error).splitlines()[0]
        raise UserError(f"trainer.accelerator=cuda: the device does not answer ({said})") from error
    return torch.cuda.get_device_name()
