"""Scales: what each keeps of an experiment's paper grid, and what it sets.

A scale is a file `conf/scales/<scale>.yaml`, which says what all experiments of a kind share; an experiment says the
rest in its own file, under `scales`, and what it says goes first. All of it is checked against the paper grid.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from deepcredit.config.complaints import reason
from deepcredit.config.schema import NOT_IN_CELL, Scale, Thinning
from deepcredit.config.studies import conf_files, conf_folders, kinds
from deepcredit.config.trees import leaves, plain, set_leaf, tree_of
from deepcredit.core import paths
from deepcredit.core.errors import UserError, nearest, unknown

#: the scale that leaves every experiment as it is published
PAPER = "paper"


def scale_names() -> list[str]:
    """Every scale of `conf/scales`, sorted."""
    return sorted({path.stem for folder in conf_folders() for path in folder.glob("scales/*.yaml")})


def at_scale(paper: DictConfig, scale: str) -> DictConfig:
    """An experiment at a scale, from its config at the paper scale. Raises a `UserError` as `changes` does."""
    try:
        merged = OmegaConf.merge(paper, OmegaConf.create({"scale": scale, **changes(paper, scale)}))
    except OmegaConfBaseException as error:
        raise UserError(f"{paper.experiment} at scale {scale}: {reason(error)}") from error
    assert isinstance(merged, DictConfig)
    return merged


def changes(paper: DictConfig, scale: str) -> dict[str, Any]:
    """The settings in which an experiment at a scale differs from its config at the paper scale, as a tree.

    Raises a `UserError` for an unknown scale, kind, experiment or setting, for a value that is not on the paper's axis,
    and where no cell is left or two become the same.
    """
    grid = _Grid(paper)
    for word in _words(paper, scale):
        if scale == PAPER:
            raise UserError(f"{word.where}: the paper grid is what {paper.experiment} says itself; leave this out")
        grid.keep(word) if word.verb == "keep" else grid.set(word)
    return grid.changes()


# --- what is said -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Word:
    """One thing that a scale says: what it keeps of a setting, or sets it to."""

    where: str
    verb: str
    key: str
    value: Any

    def wrong(self, value: Any, allowed: str) -> NoReturn:
        raise UserError(f"{self.where}.{self.verb}.{self.key}={value!r} is not valid; allowed: {allowed}")


def _words(paper: DictConfig, scale: str) -> list[_Word]:
    """What a scale says of an experiment: what is kept, then what is set. Its own file goes before what is shared."""
    shared, own = _shared(scale), _own(paper)
    said = [shared[of] for of in (f"kinds.{paper.kind}", f"experiments.{paper.experiment}") if of in shared]
    said += [(f"scales.{scale}", own[scale])] if scale in own else []
    words = [word for where, thinning in said for word in _said(f"{paper.experiment}: {where}", thinning)]
    last = {(word.verb, word.key): word for word in words}.values()
    return [word for verb in ("keep", "set") for word in last if word.verb == verb]


def _own(paper: DictConfig) -> dict[str, Thinning]:
    """Scale → what the experiment's own file says of it."""
    own: Any = OmegaConf.to_object(paper.scales)
    allowed = [scale for scale in scale_names() if scale != PAPER]
    for scale in own:
        if scale not in allowed:
            raise UserError(f"{paper.experiment}: scales: {unknown('scale', scale, allowed)}")
    return own


def _said(where: str, thinning: Thinning) -> list[_Word]:
    kept = [_Word(where, "keep", key, value) for key, value in thinning.keep.items()]
    return kept + [_Word(where, "set", key, value) for key, value in thinning.set.items()]


@cache
def _shared(scale: str) -> dict[str, tuple[str, Thinning]]:
    """`kinds.<kind>` or `experiments.<name>` → where the files of a scale speak of it, and what they say."""
    if scale not in scale_names():
        raise unknown("scale", scale, scale_names())
    found: dict[str, tuple[str, Thinning]] = {}
    for folder in conf_folders():
        path = folder / "scales" / f"{scale}.yaml"
        for of, thinning in _read(path) if path.is_file() else ():
            if of in found:
                raise UserError(f"{_shown(path)}: {of} is in {found[of][0].partition(':')[0]}, too; write it once")
            found[of] = f"{_shown(path)}: {of}", thinning
    return found


def _read(path: Path) -> Iterator[tuple[str, Thinning]]:
    try:
        scale = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Scale), OmegaConf.load(path)))
    except (OmegaConfBaseException, yaml.YAMLError, TypeError) as error:
        raise UserError(f"{_shown(path)}: {reason(error)}") from error
    known: dict[str, Mapping[str, Any]] = {"kinds": kinds(), "experiments": conf_files("experiment/*.yaml")}
    for section, names in known.items():
        for name, thinning in getattr(scale, section).items():
            if name not in names:
                raise UserError(f"{_shown(path)}: {unknown(section.removesuffix('s'), name, names)}")
            yield f"{section}.{name}", thinning


def _shown(path: Path) -> str:
    return paths.relative(path) if path.is_relative_to(paths.root()) else str(path)


# --- what it does -------------------------------------------------------------------------------------------------


class _Grid:
    """The grid of an experiment: as it is published at first, then as what a scale says changes it."""

    def __init__(self, paper: DictConfig) -> None:
        tree = plain(tree_of(paper))
        self.settings = dict(leaves({k: v for k, v in tree.items() if k not in (*NOT_IN_CELL, "kind")}))
        self.axes = dict(leaves(tree["grid"]))
        self.variants = [dict(leaves(variant)) for variant in tree["variants"]]
        self._paper = dict(self.settings), dict(self.axes), [dict(variant) for variant in self.variants]
        self._published = {key: self._values(key) for key in self.settings}

    def keep(self, word: _Word) -> None:
        """Leave of an axis the values that the word lists. They must be on it."""
        if word.key not in self._varied():
            self._refuse(word, self._varied(), "is no axis of the paper grid")
        self._check_published(word, word.value)
        if not word.value:
            word.wrong(word.value, "a list of at least one value")
        for place in self._places(word.key):
            if isinstance(place[word.key], list):
                place[word.key] = [value for value in place[word.key] if value in word.value]
        left = [v for v in self.variants if word.key not in v or any(x in word.value for x in _members(v[word.key]))]
        if self.variants and not left:
            word.wrong(word.value, "what leaves a variant with the other values that are kept")
        self.variants = left

    def set(self, word: _Word) -> None:
        """Give a setting its value: in every variant where variants have it, as a whole axis where the grid has it."""
        if word.key not in self.settings:
            self._refuse(word, self.settings, "is no setting")
        if isinstance(word.value, Mapping):
            self._check_published(word, word.value)
        elif word.key in self.axes and not isinstance(word.value, list):
            word.wrong(word.value, "a list for an axis of the grid, or {from: to}")
        for place in self._places(word.key):
            place[word.key] = _replaced(place[word.key], word.value)
        if _repeated(self.variants) or _repeated(self.axes.get(word.key, [])):
            word.wrong(word.value, "what leaves no two cells the same; keep fewer, or write {from: to}")

    def changes(self) -> dict[str, Any]:
        """What differs from the paper grid, as a tree."""
        settings, axes, variants = self._paper
        changed = {key: value for key, value in self.settings.items() if value != settings[key]}
        changed |= {f"grid.{key}": value for key, value in self.axes.items() if value != axes[key]}
        changed |= {"variants": [_tree(variant) for variant in self.variants]} if self.variants != variants else {}
        return _tree(changed)

    def _places(self, key: str) -> list[dict[str, Any]]:
        """What holds the values of a setting: the grid's axes, variants, or the settings themselves."""
        if key in self.axes:
            return [self.axes]
        return [variant for variant in self.variants if key in variant] or [self.settings]

    def _values(self, key: str) -> list[Any]:
        return [value for place in self._places(key) for value in _members(place[key])]

    def _varied(self) -> list[str]:
        """Settings with several values, between cells or within them."""
        within = [key for key, value in self.settings.items() if isinstance(value, list)]
        return list(dict.fromkeys([*self.axes, *(key for variant in self.variants for key in variant), *within]))

    def _check_published(self, word: _Word, values: Iterable[Any]) -> None:
        published = self._published[word.key]
        for value in values:
            if value not in published:
                word.wrong(value, ", ".join(dict.fromkeys(map(str, published))))

    def _refuse(self, word: _Word, known: Iterable[str], what: str) -> NoReturn:
        close, allowed = nearest(word.key, known), ", ".join(known)
        raise UserError(f"{word.where}.{word.verb}: {word.key} {what}{close}; allowed: {allowed}")


def _members(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _repeated(values: Sequence[Any]) -> bool:
    return any(value in values[:n] for n, value in enumerate(values))


def _replaced(old: Any, new: Any) -> Any:
    """`new`, or what a mapping `new` makes of a value or of each value of a list."""
    if not isinstance(new, Mapping):
        return new
    return [new.get(one, one) for one in old] if isinstance(old, list) else new.get(old, old)


def _tree(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        set_leaf(tree, key, value)
    return tree
