"""Train networks on images by a learning rule (groups `mupc`, figures of training).

One cell is one network shape on one data set. The `Dataset` that `run` returns:

dimensions and coordinates
    seed, weight_lr, activity_lr, activity_decay : the members; each of at least length 1 (a rule that infers no
        activities has `activity_lr` and `activity_decay` as configured, of length 1)
    step             : 1 … S, training steps taken when the batch has been learned
    test_step        : steps taken at each test (multiples of `data.test_every`)
    condition_step   : 0 (initialisation) and `test_step`
    hidden_layer     : 1 … H
    layer            : 1 … L = H + 1

variables; M stands for the four member dimensions; NaN after a run's stop
    train_loss       [M, step]            ½ mean over the batch of ‖y − ŷ‖², feed-forward, before the update
    test_accuracy    [M, test_step]       %, feed-forward
    activity_norm    [M, test_step, hidden_layer]   mean over the batch of ‖z_l‖ at the end of inference
    weight_norm      [M, test_step, layer]          ‖W_l‖_F
    condition_number [M, condition_step]  κ of the activity Hessian of the batch's first sample; all NaN without
                                          `record.condition_number`
    stop_step        [M]                  steps trained: S, or fewer for a run that stopped
    stop_reason      [M]                  "" (ran to its end), "diverged", or "no learning" (test accuracy below 15 %)
"""

import itertools
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from deepcredit.config.schema import Accelerator
from deepcredit.nets.init import training_gain
from deepcredit.nets.mlp import MLP
from deepcredit.rules.penalties import Penalties
from deepcredit.studies.mupc.schemas.pc_training import MEMBERS, PcTraining
from deepcredit.training.chunks import free_memory
from deepcredit.training.fit import Options, Records, train
from deepcredit.training.images import ImageData
from deepcredit.training.members import Member, Recipe
from deepcredit.training.recorders import Schedule
from deepcredit.training.watching import Report


def run(config: PcTraining, checkpoints: Path | None = None, report: Report | None = None) -> xr.Dataset:
    """Train every member of the cell. With a folder for `checkpoints`, resume from the last one there.

    `report` is told now and then how far the training is.
    """
    device = _device(config.trainer.accelerator)
    data = ImageData.load(config.data.chosen, device)
    schedule = Schedule(config.data.n_steps, config.data.test_every, config.data.n_tested)
    trainer = config.trainer
    memory = free_memory(device, trainer.memory_gib * 2**30)
    options = Options(device, memory, checkpoints, 60 * trainer.checkpoint_minutes, report)
    condition = config.record.condition_number
    records = train(recipe(config), members(config), data, schedule, options, condition=condition)
    return _labelled(config, schedule, records)


def recipe(config: PcTraining) -> Recipe:
    """What the members of a cell share."""
    model, sizes = config.model, config.data.sizes
    shape = (sizes.n_inputs, model.width, model.n_hidden, sizes.n_classes)
    return Recipe(
        net=MLP(*shape, model.act_fn, model.parameterisation, model.skips),
        init=model.init,
        gain=training_gain(model.act_fn, model.init),
        rule=config.rule,
        batch_size=config.data.batch_size,
        penalties=Penalties(config.optimizer.weight_decay, config.optimizer.spectral_penalty),
    )


def _axes(config: PcTraining) -> tuple[list[int], list[float], list[float], list[float]]:
    """The values along the member dimensions, in the order of `MEMBERS`."""
    return config.seed, config.optimizer.lr, config.inference.lr, config.inference.activity_decay


def members(config: PcTraining) -> list[Member]:
    """All combinations of the cell's seeds, rates and decays, the last axis fastest."""
    return [Member(*own) for own in itertools.product(config.seed, config.optimizer.lr, config.member_options)]


def _device(accelerator: Accelerator) -> torch.device:
    use_cuda = accelerator is Accelerator.cuda
    return torch.device("cuda", torch.cuda.current_device()) if use_cuda else torch.device("cpu")


def _labelled(config: PcTraining, schedule: Schedule, records: Records) -> xr.Dataset:
    axes = _axes(config)
    shape = tuple(len(values) for values in axes)

    def variable(name: str, values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        return config.variables[name].dims, values.reshape(*shape, *values.shape[1:])

    tests = np.array(schedule.tests)
    n_hidden = config.model.n_hidden
    coordinates = {
        **dict(zip(MEMBERS, axes, strict=True)),
        "step": np.arange(1, schedule.n_steps + 1),
        "test_step": tests,
        "condition_step": np.append(0, tests),
        "hidden_layer": np.arange(1, n_hidden + 1),
        "layer": np.arange(1, n_hidden + 2),
    }
    arrays = vars(records) | {"train_loss": records.train_loss.astype(np.float32)}
    return xr.Dataset({name: variable(name, values) for name, values in arrays.items()}, coordinates)
