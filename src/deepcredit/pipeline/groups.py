"""What is said of each group of figures: `conf/figure/groups.yaml`."""

from dataclasses import dataclass

import yaml

from deepcredit.errors import UserError
from deepcredit.pipeline import paths

FILE = "conf/figure/groups.yaml"


@dataclass(frozen=True)
class Group:
    """A work whose figures are rebuilt: a title, and the reference."""

    title: str
    source: str


def groups() -> dict[str, Group]:
    """The groups by name, in the order in which they are shown. Raises a `UserError` where the file does not fit."""
    entries = yaml.safe_load((paths.root() / FILE).read_text(encoding="utf-8"))
    try:
        found = {name: Group(**{key: text.strip() for key, text in entry.items()}) for name, entry in entries.items()}
    except (TypeError, AttributeError) as error:
        raise UserError(f"{FILE}: every group needs the texts title and source, and nothing else ({error})") from error
    if absent := sorted({path.parent.name for path in paths.conf().glob("figure/*/*.yaml")} - set(found)):
        raise UserError(f"{FILE}: no entry for the group {absent[0]} of conf/figure/{absent[0]}")
    return found
