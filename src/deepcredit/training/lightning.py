"""The parts of Lightning that this package uses, imported after what makes torchvision importable beside CPU torch."""

import logging

import deepcredit.data.torchvision_ops

from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer  # isort: skip
from pytorch_lightning.plugins.environments import LightningEnvironment  # isort: skip
from pytorch_lightning.plugins.io import CheckpointIO  # isort: skip
from pytorch_lightning.strategies import SingleDeviceStrategy  # isort: skip

__all__ = [
    "Callback",
    "CheckpointIO",
    "LightningDataModule",
    "LightningEnvironment",
    "LightningModule",
    "SingleDeviceStrategy",
    "Trainer",
]

assert deepcredit.data.torchvision_ops is not None

# what devices it found and which of them it uses is in the provenance of an array
logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
