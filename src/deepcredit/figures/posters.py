"""Large grids of small panels, laid out by fixed distances: fitting hundreds of panels would take most of the time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine

from deepcredit.figures.drawing import new_figure, stretch

#: inches around the panels: at the left for labels of rows, below for labels of axes
LEFT, RIGHT, BELOW = 0.75, 0.08, 0.45


def poster(
    rows: int, columns: int, panel: tuple[float, float], gap: tuple[float, float], above: float, **shared: Any
) -> tuple[Figure, np.ndarray]:
    """Figure and axes [rows, columns] of panels of `panel` (width, height), `gap` apart, `above` free at the top.

    Lengths are in inches of our own style sheet. `shared` is passed on to matplotlib's `subplots`.
    """
    width = LEFT + columns * panel[0] + (columns - 1) * gap[0] + RIGHT
    height = BELOW + rows * panel[1] + (rows - 1) * gap[1] + above
    # without any engine, saving would fall back to the one of the style sheet
    idle = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)
    figure = new_figure(width, height, layout=idle)
    figure.subplots_adjust(
        left=LEFT / width,
        right=1 - RIGHT / width,
        bottom=BELOW / height,
        top=1 - above / height,
        wspace=gap[0] / panel[0],
        hspace=gap[1] / panel[1],
    )
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def legend_above(figure: Figure, handles: Sequence[Artist], title: str | None = None) -> None:
    """A legend in one row at the top of a poster."""
    height = figure.get_figheight() / stretch()[1]
    figure.legend(
        handles=list(handles),
        loc="upper center",
        bbox_to_anchor=(0.5, 1 - 0.03 / height),
        ncols=len(handles),
        title=title,
        borderaxespad=0,
    )
