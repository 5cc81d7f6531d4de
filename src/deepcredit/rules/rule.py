"""What a learning rule is, and the rules there are: those of the project and those of installed packages.

Imports no torch: a record names what computes, and what it computes with is described in `deepcredit.rules.learner`.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from deepcredit.core.errors import UserError, check, nearest
from deepcredit.core.registry import Choice, Record, Registry, choices, load, module_of

if TYPE_CHECKING:
    from deepcredit.rules.costs import Batch, BatchCost

#: the setting in which a rule's own options stand
OWN_OPTIONS = "rule_options"


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """How a rule does one of the things that experiments need of rules; those are listed in `rules.learner`."""

    #: the learner, as `module:attribute`
    code: str
    #: dataclass of its options, with their defaults and the checks of their ranges; None where it has none
    options: type | None = None
    #: setting in which the options stand
    section: str = OWN_OPTIONS
    #: further quantities that can be observed, each with the function that computes it, as `module:attribute`
    observes: Mapping[str, str] = field(default_factory=dict)
    #: learns linear networks alone
    linear: bool = False
    #: largest batch that it learns from; None for any
    max_batch: int | None = None
    #: what learning from one batch costs a member, as `module:function` of those of `rules.costs`
    cost: str = "deepcredit.rules.costs:two_passes"

    def batch_cost(self, batch: "Batch", options: Any) -> "BatchCost":
        """What a member's batch of this shape costs with these options."""
        return load(self.cost)(batch, options)

    def modules(self) -> tuple[str, ...]:
        """Modules that its numbers depend on."""
        options = (self.options.__module__,) if self.options else ()
        return (module_of(self.code), *options, *map(module_of, self.observes.values()))


@dataclass(frozen=True, kw_only=True)
class Rule(Record):
    """A learning rule. `label`, `color` and `linestyle` are how all figures write and draw it."""

    label: str
    color: str
    linestyle: str = "-"
    #: what experiments can need of a rule → how this one does it
    implements: Mapping[str, Implementation] = field(default_factory=dict)

    def allows(self, need: str) -> bool:
        """Whether it does what an experiment needs."""
        return need in self.implements

    def code(self, need: str) -> tuple[str, ...]:
        """The modules that its numbers depend on where it does this."""
        return self.implements[need].modules()

    def learner(self, need: str) -> Any:
        """What makes its learner where it does this; imports it."""
        return load(self.implements[need].code)


RULES: Registry[Rule] = Registry("rule", Rule, package="deepcredit.rules.records", group="rules")


def labels(names: Iterable[str]) -> list[str]:
    """What figures and tables call the rules of these names."""
    return [RULES[name].label for name in names]


# --- options of the rules that a config names ---------------------------------------------------------------------


def options_of(config: Any, name: str) -> Any:
    """The options of the rule `name`, which `config` names, as its own dataclass; None where it has none."""
    for choice in _chosen(config):
        if choice.name == name:
            return _options(config, _implementation(choice))
    raise ValueError(f"the config names no rule {name!r}")


def settle_options(config: Any) -> None:
    """Write into `config.rule_options` every option of the rules that `config` names, defaults included.

    So a cell's settings say all that its numbers depend on. Raises a `UserError` for an option that none of the rules
    has, a value that one of them refuses, and a rule whose options stand in a section that the config has not.
    """
    settled: dict[str, Any] = {}
    known: list[str] = []
    for choice in _chosen(config):
        implementation = _implementation(choice)
        _check_section(config, choice, implementation)
        if implementation.section == OWN_OPTIONS and implementation.options:
            own = dataclasses.asdict(_options(config, implementation))
            _check_agreement(choice, settled, own)
            settled |= own
        known += _keys(implementation)
    _check_known(config, known)
    config.rule_options = settled


def _chosen(config: Any) -> Iterator[Choice]:
    return (choice for choice in choices(config) if choice.registry is RULES)


def _implementation(choice: Choice) -> Implementation:
    return choice.record.implements[choice.need]


def _keys(implementation: Implementation) -> list[str]:
    """Names of the options that stand under `rule_options`."""
    own = implementation.options if implementation.section == OWN_OPTIONS else None
    return [f.name for f in dataclasses.fields(own)] if own else []


def _options(config: Any, implementation: Implementation) -> Any:
    if implementation.options is None:
        return None
    if implementation.section != OWN_OPTIONS:
        return getattr(config, implementation.section)
    given = {key: config.rule_options[key] for key in _keys(implementation) if key in config.rule_options}
    return _typed(implementation.options, given)


def _typed(options: type, given: Mapping[str, Any]) -> Any:
    """The dataclass from plain values, as OmegaConf types them."""
    node = OmegaConf.structured(options)
    OmegaConf.set_readonly(node, False)
    try:
        return OmegaConf.to_object(OmegaConf.merge(node, given))
    except OmegaConfBaseException as error:
        raise UserError(f"{OWN_OPTIONS}.{error.full_key}: {str(error.msg).splitlines()[0]}") from error


def _check_section(config: Any, choice: Choice, implementation: Implementation) -> None:
    section = implementation.section
    if implementation.options and section != OWN_OPTIONS:
        found = isinstance(getattr(config, section, None), implementation.options)
        check(found, choice.key, choice.name, f"rules other than those with options in `{section}`")


def _check_agreement(choice: Choice, settled: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Two rules may share an option, but not with different defaults."""
    for key in settled.keys() & own.keys():
        holds = settled[key] == own[key]
        check(
            holds, f"{OWN_OPTIONS}.{key}", own[key], f"a value that is written, since {choice.name} has another default"
        )


def _check_known(config: Any, known: list[str]) -> None:
    for key, value in config.rule_options.items():
        if key not in known:
            rules = ", ".join(choice.name for choice in _chosen(config))
            allowed = ", ".join(known) or "none"
            raise UserError(
                f"{OWN_OPTIONS}.{key}={value!r} is no option of {rules}{nearest(key, known)}; allowed: {allowed}"
            )
