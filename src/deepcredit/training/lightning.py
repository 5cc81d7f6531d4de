"""The parts of Lightning that this package uses, imported after what makes torchvision importable beside CPU torch."""

import logging

import deepcredit.data.torchvision_ops

from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer  # isort: skip
from pytorch_lightning.callbacks import ModelCheckpoint  # isort: skip
from pytorch_lightning.plugins.environments import LightningEnvironment  # isort: skip

__all__ = ["Callback", "LightningDataModule", "LightningEnvironment", "LightningModule", "ModelCheckpoint", "Trainer"]

assert deepcredit.data.torchvision_ops is not None

# what devices it found and which of them it uses is in the provenance of an array
logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
