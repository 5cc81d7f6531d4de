"""Refuse work that cannot fit, before any of it is done. Imports no torch."""

from deepcredit.errors import UserError
from deepcredit.schema.common import Trainer

GIB = 2**30


def check_memory(needed_bytes: float, trainer: Trainer, what: str, remedy: str) -> None:
    """Raise a `UserError` where `what` needs more than `trainer.memory_gib`; it says how much, and the `remedy`."""
    needed = needed_bytes / GIB
    if needed > trainer.memory_gib:
        raise UserError(
            f"{what} needs about {needed:.1f} GiB of memory and trainer.memory_gib={trainer.memory_gib:g}; "
            f"{remedy}, or set trainer.memory_gib to what the machine has"
        )
