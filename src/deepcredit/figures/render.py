"""Draw one figure with the common style and write its three files, the same bytes for the same arrays."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import pandas as pd
from matplotlib.figure import Figure

from deepcredit.figures.base import Data
from deepcredit.figures.style import STYLE_SHEET

#: draws a figure from the arrays of all its roles
Draw = Callable[[Data], tuple[Figure, pd.DataFrame]]


def render(
    draw: Draw, data: Data, source: Mapping[str, Any], sheets: Sequence[Path] = (STYLE_SHEET,)
) -> dict[str, bytes]:
    """The files of a figure by suffix (`.pdf`, `.png`, `.csv`), in the style of `sheets`, the later before the earlier.

    `source` says what the figure was drawn from; it is embedded in the metadata of the pictures and, as the table has
    none, in a last column `drawn_from` that is empty from the second row on.
    """
    matplotlib.use("Agg")
    with matplotlib.style.context([*sheets]):
        figure, table = draw(data)
        text = json.dumps(source, sort_keys=True, ensure_ascii=True)
        png = {"Software": "deepcredit", "Title": source["figure"], "Description": text}
        pdf = {"Creator": "deepcredit", "Title": source["figure"], "Subject": text, "CreationDate": None}
        return {
            ".pdf": _saved(figure, "pdf", pdf),
            ".png": _saved(figure, "png", png),
            ".csv": _csv(table.assign(drawn_from=[text] + [""] * (len(table) - 1))),
        }


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n", float_format="%.9g").encode()


def _saved(figure: Figure, form: str, metadata: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, metadata=dict(metadata))
    return buffer.getvalue()
