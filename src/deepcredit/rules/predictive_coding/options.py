"""How to infer: what inference and its engine are told."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from deepcredit.nets.names import Algorithm
from deepcredit.rules.options import SteppedInference


@dataclass(frozen=True)
class Inference:
    r"""How to infer. Rates and decays are one number, or one for every member.

    `algorithm`: `gd` is $z \leftarrow z - \eta\,\partial F/\partial z$ (the gradient carries the 1/B); `adam` starts
    from zero moments in every call.
    `steps`: T. With a `tolerance`, a member stops before that once the Euclidean norm of its $\partial F/\partial z$
    is no larger.
    `front`: leave the layers alone that the error has not reached; switched off only to test that it changes nothing.
    Raises `ValueError` where `steps` is negative.
    """

    steps: int
    learning_rate: float | tuple[float, ...]
    algorithm: Algorithm = SteppedInference.algorithm
    activity_decay: float | tuple[float, ...] = SteppedInference.activity_decay
    tolerance: float | None = None
    front: bool = True

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"inference takes no {self.steps} steps")

    @property
    def decays(self) -> bool:
        """Whether any member's activities decay."""
        decay = self.activity_decay
        return any(decay) if isinstance(decay, tuple) else decay != 0

    @property
    def climbs(self) -> bool:
        """Whether layers that the error has not reached stay where they are, and are left alone."""
        return self.front and not self.decays

    def of_members(self, members: Iterable[int]) -> "Inference":
        """The same for some members of the stack."""
        members = list(members)

        def some(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
            return tuple(value[m] for m in members) if isinstance(value, tuple) else value

        return replace(self, learning_rate=some(self.learning_rate), activity_decay=some(self.activity_decay))
