"""Compute one cell and put it into the store. The only part of the pipeline that starts torch, and only when asked."""

import importlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from deepcredit.pipeline import store
from deepcredit.pipeline.cells import Cell, single_cell
from deepcredit.pipeline.compose import experiment_config, instantiate, overridden, tree_of
from deepcredit.schema.common import Accelerator, Trainer


def compute(overrides: Sequence[str], also: Sequence[Sequence[str]] = ()) -> Iterator[Path]:
    """Compute the cell that Hydra `overrides` describe, unless the store has it; yields its path.

    Each item of `also` is a further cell of the same experiment: the same settings with these overrides on top.
    Every cell is validated before the first is computed.
    """
    config = experiment_config(overrides)
    trainer = instantiate(Trainer, tree_of(config.trainer))
    described = [config, *(overridden(config, further) for further in also)]
    for cell in [single_cell(settings) for settings in described]:
        path = store.path_of(cell)
        yield path if path.is_file() else _compute(cell, trainer)


def _compute(cell: Cell, trainer: Trainer) -> Path:
    config = cell.config()
    config.trainer = trainer
    device = prepare_torch(trainer)
    started = time.perf_counter()
    dataset = importlib.import_module(f"deepcredit.experiments.{cell.kind}").run(config)
    seconds = round(time.perf_counter() - started, 3)
    return store.write(cell, dataset, {"seconds": seconds, "device": device, "threads": trainer.threads})


def prepare_torch(trainer: Trainer) -> str:
    """Fix thread count and determinism of this process; returns the name of the device in use."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(trainer.threads)
    torch.use_deterministic_algorithms(True)
    use_cuda = trainer.accelerator is not Accelerator.cpu and torch.cuda.is_available()
    return torch.cuda.get_device_name() if use_cuda else "cpu"
