"""What the page says: plain values for the template, gathered from plan, provenance and answered claims."""

import base64
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from deepcredit.config.studies import Study, studies
from deepcredit.config.trees import leaves
from deepcredit.core import paths, words
from deepcredit.core.words import shown
from deepcredit.plan.plan import Plan, PlannedCell, PlannedFigure
from deepcredit.plan.state import drawn_record, rebuild
from deepcredit.store.fingerprint import fingerprint
from deepcredit.store.provenance import Work, array_record, work

#: verdict as it is recorded → its short name on the page
VERDICTS = {
    "reproduced": "reproduced",
    "not reproduced": "not-reproduced",
    "not testable at this scale": "not-testable",
}

#: pixels; wider pictures are scaled down on the page (the files beside it are not)
PICTURE_WIDTH = 1400

#: colours of a picture on the page; few suffice, and make it small
PICTURE_COLORS = 256


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI with its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Claim:
    """An answered claim, its numbers as texts."""

    text: str
    measured: str
    published: str
    verdict: str
    mark: str
    reason: str


@dataclass(frozen=True)
class Thinned:
    """A setting that this scale thins: its value here and on the paper grid."""

    key: str
    here: Any
    paper: Any


@dataclass(frozen=True)
class Job:
    """A cell: what tells it apart, the command that computes it, and what that took ('' where it was not computed)."""

    label: str
    command: str
    seconds: str
    path: str


@dataclass(frozen=True)
class Experiment:
    """The cells of an experiment at this scale."""

    name: str
    settings: tuple[tuple[str, str], ...]
    varied: tuple[tuple[str, str], ...]
    thinned: tuple[Thinned, ...]
    jobs: tuple[Job, ...]
    code: str
    work: Work
    figures: tuple[str, ...]

    @property
    def time(self) -> str:
        return words.cost(self.work.seconds)


@dataclass(frozen=True)
class Card:
    """Everything about one figure. `picture` is None where it is not drawn."""

    id: str
    name: str
    study: str
    title: str
    caption: str
    picture: Picture | None
    claims: tuple[Claim, ...]
    experiments: tuple[Experiment, ...]
    command: str
    fingerprint: str
    code: str
    drawn: Mapping[str, Any] | None
    explorer: dict[str, Any] | None
    #: claims that the config makes, answered or not
    claimed: int

    @property
    def verdicts(self) -> dict[str, int]:
        """Verdict → number of claims, of the verdicts that there are, in order."""
        found = Counter(claim.mark for claim in self.claims)
        return {mark: found[mark] for mark in VERDICTS.values() if found[mark]}

    @property
    def thinned(self) -> list[str]:
        """The settings that this scale thins, in any experiment of the figure."""
        return list(dict.fromkeys(row.key for experiment in self.experiments for row in experiment.thinned))


@dataclass(frozen=True)
class Page:
    """All that the template shows."""

    scale: str
    studies: tuple[tuple[Study, tuple[Card, ...]], ...]
    experiments: tuple[Experiment, ...]
    work: Work

    @property
    def cards(self) -> list[Card]:
        return [card for _, cards in self.studies for card in cards]

    @property
    def built(self) -> int:
        return sum(card.picture is not None for card in self.cards)

    @property
    def time(self) -> str:
        return words.cost(self.work.seconds)

    @property
    def days(self) -> str:
        """When the arrays were computed."""
        first, last = self.work.first[:10], self.work.last[:10]
        return f"on {first}" if first == last else f"between {first} and {last}"

    @property
    def verdicts(self) -> dict[str, int]:
        """Verdict → number of claims, of all verdicts."""
        return dict.fromkeys(VERDICTS.values(), 0) | self.verdicts_of(self.cards)

    @staticmethod
    def verdicts_of(cards: Iterable[Card]) -> dict[str, int]:
        """Verdict → number of claims of some figures, of the verdicts that there are, in order."""
        found = Counter(claim.mark for card in cards for claim in card.claims)
        return {mark: found[mark] for mark in VERDICTS.values() if found[mark]}


def page(plan: Plan, explorers: Mapping[str, dict[str, Any] | None]) -> Page:
    """The page of a plan, with what its figures' explorers show by the figures' names."""
    known = {name: _experiment(plan, name, cells) for name, cells in plan.cells.items()}
    cards = [_card(plan, figure, known, explorers[figure.name]) for figure in plan.figures.values()]
    shown = [(study, tuple(card for card in cards if card.study == name)) for name, study in studies().items()]
    read = [found for found in known.values() if found.figures]
    everything = [record for name in known for record in _records(plan.cells[name]) if record]
    return Page(plan.scale, tuple(s for s in shown if s[1]), tuple(read), work(everything))


def _card(plan: Plan, figure: PlannedFigure, known: Mapping[str, Experiment], explorer: dict[str, Any] | None) -> Card:
    names = dict.fromkeys(figure.experiments.values())
    return Card(
        figure.id,
        figure.name,
        figure.study,
        figure.config["title"],
        figure.config["caption"],
        picture(paths.results(plan.scale) / "figures" / f"{figure.name}.png"),
        _claims(paths.results(plan.scale) / "claims" / f"{figure.name}.json"),
        tuple(known[name] for name in names),
        rebuild(plan, figure),
        figure.fingerprint,
        fingerprint(figure.code),
        drawn_record(plan.scale, figure.name),
        explorer,
        len(figure.config["claims"]),
    )


# --- experiments --------------------------------------------------------------------------------------------------


def _experiment(plan: Plan, name: str, cells: Sequence[PlannedCell]) -> Experiment:
    records = _records(cells)
    found = [record for record in records if record]
    trees = [dict(leaves(cell.settings)) for cell in cells]
    keys = dict.fromkeys(key for tree in trees for key in tree)
    values = {key: dict.fromkeys(shown(tree[key]) for tree in trees if key in tree) for key in keys}
    code = dict.fromkeys(fingerprint(record["code"]) for record in found)
    return Experiment(
        name,
        tuple((key, next(iter(of))) for key, of in values.items() if len(of) == 1),
        tuple((key, ", ".join(of)) for key, of in values.items() if len(of) > 1),
        tuple(Thinned(*row) for row in plan.thinned[name]),
        tuple(_job(cell, record) for cell, record in zip(cells, records, strict=True)),
        ", ".join(code),
        work(found),
        tuple(figure.id for figure in plan.figures.values() if name in figure.experiments.values()),
    )


def _records(cells: Iterable[PlannedCell]) -> list[dict[str, Any] | None]:
    return [array_record(paths.root() / cell.path) for cell in cells]


def _job(cell: PlannedCell, record: Mapping[str, Any] | None) -> Job:
    label = ", ".join(f"{key} {shown(value)}" for key, value in cell.labels.items()) or "the only cell"
    return Job(label, cell.command, f"{record['seconds']:.2f} s" if record else "", cell.path)


# --- figures ------------------------------------------------------------------------------------------------------


def picture(path: Path) -> Picture | None:
    """A picture as the page holds it: not wider than the page needs, in few colours."""
    if not path.is_file():
        return None
    with Image.open(path) as original:
        image = original.convert("RGB")
    if image.width > PICTURE_WIDTH:
        height = round(image.height * PICTURE_WIDTH / image.width)
        image = image.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.quantize(PICTURE_COLORS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(buffer, "png")
    content = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(f"data:image/png;base64,{content}", image.width, image.height)


def _claims(path: Path) -> tuple[Claim, ...]:
    if not path.is_file():
        return ()
    return tuple(_claim(answer) for answer in json.loads(path.read_text(encoding="utf-8")))


def _claim(answer: Mapping[str, Any]) -> Claim:
    tolerance = f" ± {shown(answer['tolerance'])}" if answer["tolerance"] and answer["published"] is not None else ""
    published = "—" if answer["published"] is None else shown(answer["published"]) + tolerance
    measured = "—" if answer["measured"] is None else shown(answer["measured"])
    verdict = answer["verdict"]
    return Claim(answer["claim"], measured, published, verdict, VERDICTS[verdict], answer["reason"] or "")
