"""A user's style sheet gives every figure its size, its text sizes and its font; what is wrong with one is one line.

Expectations: matplotlib's own rules for style sheets; proportions to the project's sheet.
"""

import re
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
import pytest
from matplotlib.text import Text

from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.figures.drawing import new_figure, stretch, text_size
from deepcredit.figures.posters import poster
from deepcredit.figures.render import render
from deepcredit.figures.sheets import check_sheet, sheets
from deepcredit.figures.style import COLUMN, STYLE_SHEET
from deepcredit.plan.plan import plan

JOURNAL = "figure.figsize: 6.7, 3.75\nfont.size: 12\nfont.family: DejaVu Serif\n"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Twice the width, one and a half times the height and the text size of the project's own."""
    path = tmp_path / "journal.mplstyle"
    path.write_text(JOURNAL, encoding="utf-8")
    return path


def test_the_project_s_own_sheet_stretches_nothing() -> None:
    with matplotlib.style.context(STYLE_SHEET):
        assert stretch() == (1, 1)
        assert matplotlib.rcParams["figure.figsize"][0] == COLUMN
        assert text_size(0.75) == 6


def test_figures_and_text_are_in_proportion_to_the_sheet(journal: Path) -> None:
    with matplotlib.style.context([*sheets(str(journal))]):
        assert new_figure(COLUMN, 2.0).get_size_inches().tolist() == pytest.approx([6.7, 3.0])
        assert text_size(0.75) == 9
        ax = new_figure(COLUMN, 2.0).subplots()
        ax.set_title("title")
        assert [t.get_fontsize() for t in (ax.title, ax.xaxis.label)] == [12, 12]
        assert ax.xaxis.get_ticklabels()[0].get_fontsize() == pytest.approx(12 * 0.833)  # `small` in matplotlib
        assert ax.title.get_fontname() == "DejaVu Serif"
    assert new_figure(1, 1).get_constrained_layout()


def test_panels_of_a_poster_keep_their_places(journal: Path) -> None:
    places = []
    for style in (None, str(journal)):
        with matplotlib.style.context([*sheets(style)]):
            _, axes = poster(2, 3, (1.2, 0.7), (0.1, 0.2), 0.5)
            places.append(np.array([ax.get_position().bounds for ax in axes.ravel()]))
    np.testing.assert_allclose(places[1], places[0])


def test_a_picture_is_drawn_in_the_sheets_given(journal: Path) -> None:
    import pandas as pd

    seen: list[Text] = []

    def draw(data):  # type: ignore[no-untyped-def]
        figure = new_figure(COLUMN, 2.5)
        seen.append(figure.text(0.5, 0.5, "text"))
        return figure, pd.DataFrame({"value": [1]})

    files = render(draw, {}, {"figure": "f"}, sheets(str(journal)))
    assert seen[0].get_fontsize() == 12
    size = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", files[".pdf"])
    assert size is not None
    assert [float(n) / 72 for n in size.groups()] == pytest.approx([6.7, 3.75])


def test_no_figure_has_a_text_size_or_a_figure_size_of_its_own() -> None:
    own = r"(fontsize|labelsize|titlesize)\s*=\s*\d|\"(fontsize|labelsize)\":\s*\d|figsize\s*="
    folders = [paths.PACKAGE / "figures", *(paths.PACKAGE / "studies").glob("*/figures"), paths.PACKAGE / "jobs"]
    found = [
        f"{path.name}: {line.strip()}"
        for folder in folders
        for path in folder.glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(own, line)
    ]
    assert found == ["drawing.py: return Figure(figsize=(width * wider, height * higher), layout=layout)"]


BROKEN = {
    "lines.linewith: 3": "lines.linewith",
    "lines.linewidth: thick": "thick",
    "axes.labelsize large": "axes.labelsize large",
    "font.family: No Such Font": "none of its fonts is installed: No Such Font",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_wrong_with_a_sheet_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "my.mplstyle"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(UserError) as error:
        plan("ci", str(path))
    assert str(error.value).startswith("style 'my.mplstyle': ")
    assert BROKEN[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_a_sheet_must_be_there_and_be_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"style='nowhere.mplstyle' is not valid; allowed: a matplotlib style sheet"):
        plan("ci", "nowhere.mplstyle")
    (tmp_path / "binary.mplstyle").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"binary.mplstyle' is not valid; allowed: a matplotlib style sheet"):
        plan("ci", str(tmp_path / "binary.mplstyle"))


def test_latex_is_asked_for_only_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my.mplstyle"
    path.write_text("text.usetex: True\n", encoding="utf-8")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UserError, match="LaTeX, which is not installed"):
        check_sheet(path)


def test_a_sheet_s_content_decides_and_not_its_path(journal: Path, tmp_path: Path) -> None:
    def marks(style: Path | None) -> set[str]:
        return {figure.fingerprint for figure in plan("ci", str(style) if style else None).figures.values()}

    other = tmp_path / "elsewhere" / "other.mplstyle"
    other.parent.mkdir()
    other.write_text(JOURNAL, encoding="utf-8")
    assert marks(other) == marks(journal)
    assert not marks(journal) & marks(None)
    other.write_text(JOURNAL + "lines.linewidth: 3\n", encoding="utf-8")
    assert not marks(other) & marks(journal)
