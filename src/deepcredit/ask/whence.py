"""What a figure's file says of itself: read from the metadata inside a PDF, PNG or CSV, whatever its name and place."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deepcredit.core.errors import UserError

PNG, PDF = b"\x89PNG\r\n\x1a\n", b"%PDF-"

#: a PDF string: what is between brackets, where a backslash escapes the character behind it
SUBJECT = re.compile(rb"/Subject\s*\(((?:[^()\\]|\\.)*)\)", re.DOTALL)

#: what a backslash and a letter stand for in a PDF string; any other character stands for itself
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def whence(path: Path) -> dict[str, Any]:
    """The metadata of a figure's file. Raises a `UserError` where it cannot be read or has none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    for text in _descriptions(content):
        try:
            found = json.loads(text)
        except ValueError:
            continue
        if isinstance(found, dict) and {"figure", "arrays", "command"} <= found.keys():
            return found
    raise UserError(
        f"{path} has no metadata of deepcredit; allowed: a pdf, png or csv file that `deepcredit draw` wrote"
    )


def _descriptions(content: bytes) -> Iterator[str]:
    """The texts that may be the metadata, by the kind of file that the content shows."""
    if content.startswith(PNG):
        yield from _png(content)
    elif content.startswith(PDF):
        for match in SUBJECT.finditer(content):
            yield re.sub(rb"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), match[1], flags=re.DOTALL).decode("latin-1")
    else:
        yield from _csv(content)


def _png(content: bytes) -> Iterator[str]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            yield str(image.info.get("Description", ""))
    except (UnidentifiedImageError, OSError, SyntaxError):
        return


def _csv(content: bytes) -> Iterator[str]:
    try:
        first = next(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
        yield first.get("drawn_from") or ""
    except (UnicodeDecodeError, csv.Error, StopIteration):
        return


def described(found: dict[str, Any]) -> list[str]:
    """The metadata as lines for a reader."""
    arrays = found["arrays"]
    lines = [
        f"figure    {found.get('study', found.get('group', '?'))}/{found['figure']}",
        f"scale     {found.get('scale', '?')}",
        f"rebuild   {found['command']}",
        f"drawn by  fingerprint {found.get('fingerprint', '?')} (drawing code, style sheet and config)",
    ]
    lines += [f"code      {name}: {mark}" for name, mark in found.get("code", {}).items()]
    lines += [f"version   {name} {version}" for name, version in found.get("versions", {}).items()]
    return [*lines, f"arrays    {len(arrays)}", *(f"  {path}" for path in arrays)]
