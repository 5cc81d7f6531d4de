"""In what two folders of results differ: the numbers of their figures, and the verdicts on their claims."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepcredit.core.errors import UserError

#: a column holds measured values, not coordinates, if some number in it has at least this many digits
MEASURED_DIGITS = 6


@dataclass(frozen=True)
class Table:
    """The values drawn in a figure, as texts."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def compare(one: Path, other: Path) -> list[str]:
    """Lines that say in what two results folders differ; none where all numbers and verdicts are the same."""
    return [*_figures(one, other), *_claims(one, other)]


def _figures(one: Path, other: Path) -> Iterator[str]:
    tables = [_tables(folder) for folder in (one, other)]
    for name in sorted({*tables[0], *tables[1]}):
        found = [there.get(name) for there in tables]
        if found[0] is None or found[1] is None:
            yield f"{name}: only in {one if found[1] is None else other}"
        elif differences := list(table_differences(_read(found[0]), _read(found[1]))):
            yield f"{name}:"
            yield from (f"  {line}" for line in differences)


def _tables(folder: Path) -> dict[str, Path]:
    """Figure → its table, for a results folder, which must have figures."""
    found = {
        path.relative_to(folder / "figures").with_suffix("").as_posix(): path
        for path in sorted((folder / "figures").rglob("[!.]*.csv"))
    }
    if not found:
        raise UserError(f"{folder} has no figures; allowed: a folder of results such as results/quick")
    return found


def _read(path: Path) -> Table:
    """A figure's table without what it was drawn from."""
    columns, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8")))
    kept = [k for k, name in enumerate(columns) if name != "drawn_from"]
    return Table(tuple(columns[k] for k in kept), tuple(tuple(row[k] for k in kept) for row in rows))


def table_differences(one: Table, other: Table) -> Iterator[str]:
    """Lines that say in what two tables differ: columns, rows that only one has, values of rows that both have."""
    if one == other:
        return
    if one.columns != other.columns:
        yield f"columns differ: {', '.join(one.columns)} and {', '.join(other.columns)}"
        return
    values = [k for k in range(len(one.columns)) if _is_measured([row[k] for row in (*one.rows, *other.rows)])]
    first, second = _by_coordinates(one, values), _by_coordinates(other, values)
    shared = [key for key in first if key in second]
    for where, rows in (("A", first), ("B", second)):
        if len(rows) > len(shared):
            yield f"{len(rows) - len(shared)} of {len(rows)} rows only in {where}"
    for k, column in enumerate(values):
        pairs = [(first[key][k], second[key][k]) for key in shared]
        changed = [pair for pair in pairs if not _equal(*pair)]
        if changed:
            yield f"{one.columns[column]}: {len(changed)} of {len(pairs)} values differ{_by_how_much(changed)}"


def _is_measured(cells: Sequence[str]) -> bool:
    return any(_digits(cell) >= MEASURED_DIGITS for cell in cells)


def _digits(cell: str) -> int:
    """Significant digits of a cell that is a number and not written as an integer; 0 for any other."""
    if _number(cell) is None or not {".", "e"} & set(cell):
        return 0
    return len(cell.partition("e")[0].strip("-0.").replace(".", ""))


def _by_coordinates(table: Table, values: Sequence[int]) -> dict[tuple, list[str]]:
    """Values of every row by its coordinates; rows with the same coordinates are told apart by their order."""
    seen: Counter[tuple[str, ...]] = Counter()
    found = {}
    for row in table.rows:
        key = tuple(cell for k, cell in enumerate(row) if k not in values)
        found[(*key, seen[key])] = [row[k] for k in values]
        seen[key] += 1
    return found


def _equal(one: str, other: str) -> bool:
    if one == other:
        return True
    numbers = _number(one), _number(other)
    return None not in numbers and numbers[0] == numbers[1]


def _by_how_much(changed: Sequence[tuple[str, str]]) -> str:
    """The largest absolute and the largest relative difference, where both values are finite numbers."""
    numbers = [(_number(one), _number(other)) for one, other in changed]
    finite = [(a, b) for a, b in numbers if a is not None and b is not None and math.isfinite(a) and math.isfinite(b)]
    if not finite:
        return ""
    absolute = max(abs(a - b) for a, b in finite)
    relative = max(abs(a - b) / max(abs(a), abs(b)) for a, b in finite)
    return f", by at most {absolute:.3g} ({100 * relative:.3g} %)"


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


# --- claims -------------------------------------------------------------------------------------------------------


def _claims(one: Path, other: Path) -> Iterator[str]:
    before, after = _verdicts(one), _verdicts(other)
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key, "not claimed"), after.get(key, "not claimed")
        if old != new:
            yield f"claim of {key[0]}: {old} → {new}: {key[1]}"


def _verdicts(folder: Path) -> dict[tuple[str, str], str]:
    """(figure, claim) → verdict."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "claims").rglob("[!.]*.json"))]
    return {(claim["figure"], claim["claim"]): claim["verdict"] for claims in found for claim in claims}
