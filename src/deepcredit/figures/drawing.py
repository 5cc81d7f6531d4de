"""What drawing functions build on, in the style that they are drawn with: figures, text sizes, families of colours.

A style sheet's `figure.figsize` is the size of a figure of one column, and its `font.size` that of common text; all
other figures and texts are in proportion to them.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from deepcredit.figures.style import SEQUENCE, STYLE_SHEET


@cache
def _own_size() -> tuple[float, float]:
    return tuple(matplotlib.rc_params_from_file(STYLE_SHEET, use_default_template=False)["figure.figsize"])


def stretch() -> tuple[float, float]:
    """How much wider and higher than in our own style sheet figures are."""
    (width, height), own = matplotlib.rcParams["figure.figsize"], _own_size()
    return width / own[0], height / own[1]


def new_figure(width: float, height: float, layout: Any = "constrained") -> Figure:
    """An empty figure, `width` × `height` inches in our own style sheet."""
    wider, higher = stretch()
    return Figure(figsize=(width * wider, height * higher), layout=layout)


def text_size(ratio: float) -> float:
    """The size in points of text that is `ratio` of common text."""
    return ratio * float(matplotlib.rcParams["font.size"])


def family(values: Iterable[Any], cmap: str = SEQUENCE) -> dict[Any, Any]:
    """One colour for each value of an ordered family, dark to light in their order."""
    members = list(values)
    shades = matplotlib.colormaps[cmap](np.linspace(0.0, 0.88, max(len(members), 1)))
    return dict(zip(members, map(tuple, shades), strict=False))
