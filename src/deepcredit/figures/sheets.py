"""A user's own style sheet, over the project's: which file it is, and whether matplotlib can draw with it."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepcredit.core.errors import UserError
from deepcredit.figures.style import STYLE_SHEET


def sheets(style: str | None) -> tuple[Path, ...]:
    """The style sheets that figures are drawn with, the later over the earlier. Raises a `UserError` for no file."""
    if style is None:
        return (STYLE_SHEET,)
    path = Path(style).expanduser()
    if not path.is_file():
        raise UserError(f"style={style!r} is not valid; allowed: a matplotlib style sheet (there is no such file)")
    return STYLE_SHEET, path


def content(sheet: Path) -> str:
    """The text of a style sheet. Raises a `UserError` where it is no text."""
    try:
        return sheet.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"style={str(sheet)!r} is not valid; allowed: a matplotlib style sheet ({error})") from error


def check_sheet(sheet: Path) -> None:
    """Raise a `UserError` naming what matplotlib cannot use of a style sheet: a key, a value, a font, LaTeX."""
    import matplotlib  # late: planning asks only where a user has a style sheet, and this takes a second

    where = f"style {sheet.name!r}"
    with _complaints() as said:
        try:
            found = matplotlib.rc_params_from_file(sheet, fail_on_error=True, use_default_template=False)
        except Exception as error:  # values are checked by many functions
            raise UserError(f"{where}: {_line(error)}") from error
    if said:
        raise UserError(f"{where}: {said[0]}")
    if found.get("text.usetex") and not shutil.which("latex"):
        raise UserError(f"{where}: text.usetex asks for LaTeX, which is not installed")
    _check_fonts(where, found)


def _check_fonts(where: str, found: dict) -> None:
    from matplotlib import font_manager

    asked = found.get("font.family", [])
    families = [name for family in asked for name in found.get(f"font.{family}", [family])]
    known = {*font_manager.get_font_names(), "serif", "sans-serif", "cursive", "fantasy", "monospace"}
    if families and not known & set(families):
        raise UserError(f"{where}: none of its fonts is installed: {', '.join(families)}")


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What matplotlib says in its log, one line each: unknown keys are no error to it."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(_line(record.getMessage()))  # type: ignore[method-assign]
    logger = logging.getLogger("matplotlib")
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


def _line(message: object) -> str:
    return " ".join(str(message).split())
