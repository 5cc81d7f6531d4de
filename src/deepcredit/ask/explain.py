"""Why a figure is stale, in words: what is missing, and what changed since it was built before. Computes nothing.

Every array and every figure has a record of the settings and the code that it was made from; the newest earlier record
is compared with what is asked for now, setting by setting and definition by definition.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from deepcredit.config.trees import leaves
from deepcredit.core import paths
from deepcredit.plan.plan import Plan, PlannedCell, PlannedFigure
from deepcredit.plan.state import drawn, drawn_record, figure_files, is_file, rebuild
from deepcredit.store.fingerprint import BODY, code_of_cell
from deepcredit.store.provenance import Code, array_record, changed_definitions, earlier_builds

Reasons = tuple[str, ...]


def explain(plan: Plan, figure: PlannedFigure) -> list[str]:
    """Lines that say whether a figure is up to date and, if not, why."""
    arrays = list(_arrays(plan, figure))
    picture = list(_picture(plan, figure))
    if not arrays and not picture:
        return [f"{figure.id} is up to date at scale {plan.scale} ({_count(len(plan.arrays(figure)))})."]
    lines = [f"{figure.id} is not up to date at scale {plan.scale}."]
    for title, reasons in (("the figure:", picture), *arrays):
        lines += [f"  {title}", *(f"    {reason}" for reason in reasons)] if reasons else []
    return [*lines, f"Build it with: {rebuild(plan, figure)}"]


# --- arrays -------------------------------------------------------------------------------------------------------


def _arrays(plan: Plan, figure: PlannedFigure) -> Iterator[tuple[str, Reasons]]:
    """A heading that names missing arrays, and the reasons that they share."""
    for name in dict.fromkeys(figure.experiments.values()):
        cells = plan.cells[name]
        grouped: dict[Reasons, list[PlannedCell]] = {}
        earlier = earlier_builds(name)
        for cell in cells:
            if not is_file(cell.path):
                grouped.setdefault(tuple(_why_missing(cell, earlier)), []).append(cell)
        for reasons, missing in grouped.items():
            of_all = f"{len(missing)} of {_count(len(cells))}"
            yield f"{of_all} of {name} {'are' if len(missing) > 1 else 'is'} missing{_labels(missing)}:", reasons


def _labels(cells: list[PlannedCell]) -> str:
    """` (num_layers 1, 2, 4)`, the values of what tells the cells apart."""
    values: dict[str, dict[str, None]] = {}
    for cell in cells:
        for label, value in cell.labels.items():
            values.setdefault(label, {})[_shown(value)] = None
    listed = "; ".join(f"{label} {', '.join(found)}" for label, found in values.items())
    return f" ({listed})" if listed else ""


def _why_missing(cell: PlannedCell, earlier: list[dict[str, Any]]) -> Iterator[str]:
    gone = array_record(paths.root() / cell.path)
    if gone:
        yield f"the array is gone: it was computed on {gone['finished']}, and its file is not in the store any more"
        return
    same = next((record for record in earlier if record["labels"] == cell.labels), None)
    if same is None:
        yield _new_on_the_grid(cell, earlier)
        return
    yield from _changed_settings(same["settings"], cell.settings)
    yield from _changed_code(same["code"], code_of_cell(cell.config))


def _new_on_the_grid(cell: PlannedCell, earlier: list[dict[str, Any]]) -> str:
    if not earlier:
        return "it was never computed: the store has no array of this experiment"
    for label, value in cell.labels.items():
        known = dict.fromkeys(_shown(record["labels"][label]) for record in earlier if label in record["labels"])
        if _shown(value) not in known:
            before = f"computed before: {', '.join(sorted(known, key=_by_size))}" if known else "not on the grid before"
            return f"the setting {label} = {_shown(value)} is new ({before})"
    return "this combination of settings was never computed"


def _by_size(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return 0.0, text


# --- the figure itself --------------------------------------------------------------------------------------------


def _picture(plan: Plan, figure: PlannedFigure) -> Iterator[str]:
    before = drawn_record(plan.scale, figure.name)
    now = drawn(plan, figure)
    gone = [paths.relative(path) for path in figure_files(plan.scale, figure.name) if not path.is_file()]
    if before is None:
        yield "it was never drawn" if len(gone) > 1 else f"gone: {gone[0]}"
        return
    if gone:
        yield f"gone: {', '.join(gone)}"
    if before["fingerprint"] != now["fingerprint"]:
        yield from _changed_drawing(before, now)
    yield from _other_arrays(before["arrays"], now["arrays"])


def _changed_drawing(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    yield from _changed_settings(before["config"], now["config"], "its config")
    if before["style"] != now["style"]:
        yield f"the style sheet changed: {now['style'][0]}"
    yield from _changed_code(before["code"], now["code"], "drawing code")


def _other_arrays(before: list[str], now: list[str]) -> Iterator[str]:
    """Arrays in the store that the figure was not drawn from, and those that it is not drawn from any more."""
    added = [path for path in now if path not in before and is_file(path)]
    dropped = [path for path in before if path not in now]
    if added:
        are = "is" if len(added) == 1 else "are"
        yield f"it was drawn without {_count(len(added))} that {are} there: {_few(added)}"
    if dropped:
        yield f"it was drawn with {_count(len(dropped))} that it does not read any more: {_few(map(_known, dropped))}"


def _known(path: str) -> str:
    """A path, and what it holds if its provenance says so."""
    record = array_record(paths.root() / path) or {}
    labels = ", ".join(f"{label} = {_shown(value)}" for label, value in record.get("labels", {}).items())
    return f"{path} ({labels})" if labels else path


# --- what changed -------------------------------------------------------------------------------------------------


def _changed_settings(old: Mapping[str, Any], new: Mapping[str, Any], where: str = "the setting") -> Iterator[str]:
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for key in dict.fromkeys([*before, *after]):
        if key not in after:
            yield f"{where} {key} is gone (was {_shown(before[key])})"
        elif key not in before:
            yield f"{where} {key} = {_shown(after[key])} is new"
        elif before[key] != after[key]:
            yield f"{where} {key} changed: {_shown(before[key])} → {_shown(after[key])}"


def _leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings; lists of mappings (claims) are gone into as well."""
    for key, value in leaves(tree):
        if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value, 1):
                yield from ((f"{key}[{number}].{inner}", leaf) for inner, leaf in _leaves(item))
        else:
            yield key, value


def _changed_code(old: Code, new: Code, what: str = "code") -> Iterator[str]:
    for module, names in changed_definitions(old, new):
        if module not in new:
            yield f"{what} does not use {module} any more"
        elif module not in old:
            yield f"{what} now uses {module}"
        else:
            listed = ", ".join(f"{_definition(name)}{'' if c == 'changed' else f' ({c})'}" for name, c in names.items())
            yield f"{what} changed in {module}: {listed}"


def _definition(name: str) -> str:
    return "statements outside of definitions" if name == BODY else name


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _count(arrays: int) -> str:
    return f"{arrays} array{'s' if arrays != 1 else ''}"


def _few(paths_: Any, most: int = 3) -> str:
    listed = list(paths_)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
