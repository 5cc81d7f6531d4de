"""What a figure's functions are given, and what they return.

A drawing function returns `(matplotlib Figure, tidy pandas DataFrame)`; a claim function returns `Measured`, or raises
`NotTestable`. Their signatures say what a config may write: a positional parameter is a role of the figure and takes
the cells of its experiment (`data` takes all roles), a keyword parameter is an option with its type and, where it may
be left out, its default. Claim functions may ask for the claim's `published` and `tolerance` in the same way.
`deepcredit.config.binding` holds every config against the signatures before anything is computed.

Neither kind of function computes anything that an experiment should have computed; neither imports torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

import xarray as xr
from pydantic import AfterValidator, ValidationInfo

#: the cells of one experiment; settings that tell them apart are scalar coordinates
Cells = Sequence[xr.Dataset]

#: role in the figure's config → the cells of that experiment
Data = Mapping[str, Cells]

#: settings and member coordinates by name, and the value (or list of values) that is chosen of each
Where = Mapping[str, Any]

#: no choice: all that there is
EVERYTHING: Where = MappingProxyType({})


def _known(role: str, info: ValidationInfo) -> str:
    roles = list((info.context or {}).get("roles", [role]))
    if role not in roles:
        raise ValueError(f"a role of this figure: {', '.join(roles)}")
    return role


#: an option that names a role of the figure
Role = Annotated[str, AfterValidator(_known)]


class NotTestable(Exception):
    """The data of this scale cannot decide the claim; the message says what is missing."""


@dataclass(frozen=True)
class Measured:
    """What was measured for a claim, in the form in which it is shown, and whether the claim holds."""

    value: Any
    holds: bool
