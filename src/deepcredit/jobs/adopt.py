"""Take arrays of earlier code over, on the evidence that a sample of them, computed again now, is equal bit by bit.

An array is looked for by its settings, under the names that they have now. Evidence holds for the arrays of one kind
of experiment with the same rule, algorithm, activation function and parameterisation that the same code computed in the
same surroundings.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from deepcredit.config.schema import Accelerator, Trainer
from deepcredit.config.trees import leaves
from deepcredit.core import paths, words
from deepcredit.core.errors import UserError, check
from deepcredit.jobs.compute import obtain, prepare_torch
from deepcredit.plan import devices
from deepcredit.plan.plan import PlannedCell, plan
from deepcredit.store import adopt as stores
from deepcredit.store.adopt import Earlier
from deepcredit.store.provenance import array_record
from deepcredit.store.renamed import RENAMES, Renames
from deepcredit.store.store import broken_promises, surroundings

#: last parts of the settings that are the rule, the algorithm, the activation function, the parameterisation
COMBINED = ("rule", "algorithm", "act_fn", "parameterisation", "name")

#: cells of a combination that are computed again, and of how many, chosen by the seed, they are the cheapest
SAMPLE, CHOSEN = 2, 6


@dataclass(frozen=True, eq=False)
class Pair:
    """A cell that the plan wants, and the earlier array of the same settings."""

    cell: PlannedCell
    earlier: Earlier

    @cached_property
    def path(self) -> Path:
        return paths.root() / self.cell.path

    @cached_property
    def combination(self) -> tuple[str, ...]:
        """What evidence is needed for: the same for arrays that are evidence for one another."""
        return self.cell.kind, self.described, self.earlier.origin

    @property
    def seconds(self) -> float:
        """How long the cell is expected to compute on the device that the earlier array is of."""
        on_cuda = self.cell.cuda_seconds if self.on_cuda else None
        return self.cell.seconds if on_cuda is None else on_cuda

    @property
    def on_cuda(self) -> bool:
        """Whether the earlier array was computed on a CUDA device, and not only where there was one."""
        return self.earlier.device != "cpu" and self.cell.cost.cuda is not None

    @property
    def described(self) -> str:
        """`rule pc; act_fn linear, tanh`."""
        named = ((key.rpartition(".")[2], value) for key, value in leaves(self.cell.settings))
        return "; ".join(f"{name} {words.shown(value)}" for name, value in named if name in COMBINED)


@dataclass(frozen=True)
class Row:
    """What became of a kind of experiment: arrays sampled, those of them that are equal, adopted, still missing."""

    kind: str
    sampled: int
    equal: int
    adopted: int
    left: int


@dataclass
class Adoption:
    """What became of all kinds that lacked arrays, what there is to say of it, and the arrays that differ."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sample:
    """The cells that were computed by the present code, with in what they differ from the earlier arrays."""

    compared: Mapping[Pair, Sequence[str]]
    failed: tuple[str, ...] = ()

    @property
    def differing(self) -> dict[Pair, Sequence[str]]:
        return {pair: found for pair, found in self.compared.items() if found}

    def of(self, combination: tuple[str, ...]) -> list[Pair]:
        return [pair for pair in self.compared if pair.combination == combination]


def adopt(
    folder: Path,
    scale: str,
    minutes: float = 10.0,
    seed: int = 0,
    *,
    renames: Renames = RENAMES,
    say: Callable[[str], Any] = print,
) -> Adoption:
    """Adopt what a scale lacks from the store that belongs to `folder`; a sample is computed for at most `minutes`.

    `say` is told what is computed. Raises a `UserError` where there is nothing that could be adopted.
    """
    check(minutes > 0, "--minutes", minutes, "a positive number")
    planned = plan(scale)
    wanted = {cell.path: cell for cells in planned.cells.values() for cell in cells}
    if not any(map(_is_missing, wanted.values())):
        return Adoption(notes=[f"every array of scale {scale} is here"])
    source = stores.store_folder(folder)
    pairs, notes = _pairs(wanted.values(), source, renames)
    sample = _sample(pairs, minutes, seed, renames, say)
    missing = [pair for pair in pairs if _is_missing(pair.cell)]
    adopted = [pair for pair in missing if _may_be_adopted(pair, sample)]
    kept = [note for pair in adopted if (note := _adopt(pair, sample, seed, renames))]
    rows = list(_rows(wanted.values(), sample, adopted))
    left = [*_differing(sample), *_without_evidence(missing, sample, minutes)]
    return Adoption(rows, [*notes, *sample.failed, *kept, *left], list(_differing(sample)))


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as lines, with their sum."""
    head = [of.name for of in fields(Row)]
    body = [[str(getattr(row, name)) for name in head] for row in rows]
    total = [str(sum(getattr(row, name) for row in rows)) for name in head[1:]]
    return words.aligned([head, *body, ["all", *total]], left=1)


# --- which arrays could be taken ----------------------------------------------------------------------------------


def _is_missing(cell: PlannedCell) -> bool:
    return not (paths.root() / cell.path).is_file()


def _pairs(wanted: Iterable[PlannedCell], source: Path, renames: Renames) -> tuple[list[Pair], list[str]]:
    """The cells with an earlier array that could be taken, and what there is to say of those without.

    Raises a `UserError` with the latter where no array that is missing could be taken.
    """
    known = stores.by_settings(source, renames)
    cuda = _cuda_device(earlier for found in known.values() for earlier in found)
    pairs: list[Pair] = []
    refused: Counter[str] = Counter()
    for cell in wanted:
        found = {earlier: _refusal(earlier, cuda) for earlier in _same_settings(cell, known)}
        taken = next((earlier for earlier, why in found.items() if not why), None)
        if taken:
            pairs.append(Pair(cell, taken))
        elif _is_missing(cell):
            refused[next(iter(found.values()), f"there is none of the same settings in {source}")] += 1
    notes = [f"{_arrays(count)} refused: {why}" for why, count in refused.items()]
    if not any(_is_missing(pair.cell) for pair in pairs):
        raise UserError("nothing can be adopted; " + "; ".join(notes))
    return pairs, [*notes, *_of_unknown_processors(pairs)]


def _same_settings(cell: PlannedCell, known: Mapping[str, Sequence[Earlier]]) -> list[Earlier]:
    """Arrays of the cell's settings that other code computed: of the same experiment first, and the newest first."""
    found = [e for e in known.get(stores.key_of(cell.settings), ()) if e.path.name != Path(cell.path).name]
    return sorted(found, key=lambda earlier: earlier.record["experiment"] != cell.experiment)


def _refusal(earlier: Earlier, cuda: str) -> str:
    why = stores.elsewhere(earlier.record, cuda)
    return f"computed on {why}" if why else stores.faults(earlier)


def _cuda_device(found: Iterable[Earlier]) -> str:
    """The CUDA device of this machine, asked for only where an array was computed on one."""
    on_cpu = all(earlier.device == "cpu" for earlier in found)
    return "cpu" if on_cpu else prepare_torch(Trainer(accelerator=devices.placed(Accelerator.auto)))


def _of_unknown_processors(pairs: Iterable[Pair]) -> Iterator[str]:
    count = sum(_is_missing(pair.cell) and not pair.earlier.record.get("processor") for pair in pairs)
    if count:
        yield f"{_arrays(count)} of a processor that nobody wrote down; whether it is this one, the sample says"


def _arrays(count: int) -> str:
    return "1 array is" if count == 1 else f"{count} arrays are"


# --- the sample ---------------------------------------------------------------------------------------------------


def _sample(pairs: Sequence[Pair], minutes: float, seed: int, renames: Renames, say: Callable[[str], Any]) -> Sample:
    """Compare what the present code computed before, and what it computes now for want of that, with earlier arrays."""
    compared = {pair: _compared(pair, renames) for pair in _computed_before(pairs)}
    drawn = list(_drawn(pairs, Sample(compared), seed))
    deadline = time.monotonic() + 60 * minutes
    failed = {}
    for number, pair in enumerate(drawn, 1):
        if time.monotonic() + pair.seconds > deadline:
            continue
        say(f"{number} of {len(drawn)}: {pair.cell.path}, expected in {words.cost(pair.seconds)}")
        try:
            obtain(pair.cell, _trainer(pair))
        except UserError as error:
            failed[f"{pair.cell.experiment} cannot be computed again: {error}"] = pair
        else:
            compared[pair] = _compared(pair, renames)
    return Sample(compared, tuple(failed))


def _computed_before(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs of kinds that lack arrays whose cell is here, computed by the present code as the earlier array was."""
    lacking = {pair.cell.kind for pair in pairs if _is_missing(pair.cell)}
    here = [pair for pair in pairs if pair.cell.kind in lacking and not _is_missing(pair.cell)]
    return [pair for pair in here if _is_alike(array_record(pair.path), pair.earlier)]


def _is_alike(record: Mapping[str, Any] | None, earlier: Earlier) -> bool:
    if record is None or "adopted" in record:
        return False
    same = (record.get("device"), record.get("threads")) == (earlier.device, earlier.threads)
    return same and not stores.elsewhere(record, earlier.device)


def _drawn(pairs: Iterable[Pair], before: Sample, seed: int) -> Iterator[Pair]:
    """Cells to compute: one of every combination, the cheapest first, then a second of every combination."""
    missing: dict[tuple[str, ...], list[Pair]] = {}
    for pair in pairs:
        if _is_missing(pair.cell):
            missing.setdefault(pair.combination, []).append(pair)
    rounds: list[list[Pair]] = [[] for _ in range(SAMPLE)]
    for combination, found in missing.items():
        number = max(0, SAMPLE - len(before.of(combination)))
        for into, pair in zip(rounds, _chosen(found, seed)[:number], strict=False):
            into.append(pair)
    for of in rounds:
        yield from sorted(of, key=lambda pair: pair.seconds)


def _chosen(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    """Some pairs of a combination by the seed, the cheapest first."""
    generator = random.Random(f"{seed} {pairs[0].combination[:2]}")
    chosen = generator.sample(pairs, min(CHOSEN, len(pairs)))
    return sorted(chosen, key=lambda pair: pair.seconds)


def _trainer(pair: Pair) -> Trainer:
    """As the earlier array was computed: threads and device may change bits."""
    accelerator = Accelerator.cuda if pair.on_cuda else Accelerator.cpu
    return Trainer(accelerator=accelerator, threads=pair.earlier.threads, progress=False)


def _compared(pair: Pair, renames: Renames) -> list[str]:
    now = stores.arrays(pair.path, pair.cell.labels)
    return stores.differences(stores.renamed_arrays(pair.earlier, renames), now)


# --- what follows from it -----------------------------------------------------------------------------------------


def _may_be_adopted(pair: Pair, sample: Sample) -> bool:
    """Whether there is evidence for an array, and none against any of its kind."""
    against = {other.cell.kind for other in sample.differing}
    return pair.cell.kind not in against and bool(sample.of(pair.combination))


def _adopt(pair: Pair, sample: Sample, seed: int, renames: Renames) -> str:
    """Write the array of a pair; returns why that could not be, or nothing."""
    faults = broken_promises(pair.cell.kind, stores.renamed_arrays(pair.earlier, renames))
    if faults:
        return f"{pair.earlier.address} is not adopted: {'; '.join(faults)}"
    stores.adopt(pair.cell, pair.earlier, renames, _evidence(sample.of(pair.combination), seed))
    return ""


def _evidence(sampled: Iterable[Pair], seed: int) -> dict[str, Any]:
    """What is written of it beside every array: which arrays were equal to which, when, and by what."""
    now = surroundings()
    return {
        "sampled": {pair.cell.path: pair.earlier.address for pair in sampled},
        "seed": seed,
        "date": now.pop("finished"),
        **now,
    }


def _rows(wanted: Iterable[PlannedCell], sample: Sample, adopted: Iterable[Pair]) -> Iterator[Row]:
    left = Counter(cell.kind for cell in wanted if _is_missing(cell))
    sampled = Counter(pair.cell.kind for pair in sample.compared)
    unequal = Counter(pair.cell.kind for pair in sample.differing)
    taken = Counter(pair.cell.kind for pair in adopted if not _is_missing(pair.cell))
    for kind in sorted({*left, *sampled, *taken}):
        yield Row(kind, sampled[kind], sampled[kind] - unequal[kind], taken[kind], left[kind])


def _differing(sample: Sample) -> Iterator[str]:
    for pair, found in sample.differing.items():
        yield f"{pair.cell.path} is not equal to {pair.earlier.address}: {'; '.join(found)}"


def _without_evidence(missing: Iterable[Pair], sample: Sample, minutes: float) -> Iterator[str]:
    without = [pair for pair in missing if not sample.of(pair.combination)]
    for (kind, described, _), count in Counter(pair.combination for pair in without).items():
        of = f"{kind} ({described})" if described else kind
        yield f"none of {of} was computed again within {minutes:g} minutes, so {_arrays(count)} left"
