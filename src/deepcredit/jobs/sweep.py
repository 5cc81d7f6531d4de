"""What `deepcredit run -m` adds to Hydra's sweeps: every run is checked before the first begins, and all are listed."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hydra import compose
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from deepcredit.config.compose import MISTAKES, complaint
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.jobs.run import Run, described


class Refused(BaseException):
    """A `UserError` on its way through Hydra, which would lead an `Exception` with lines of its own."""

    def __init__(self, error: UserError) -> None:
        super().__init__(str(error))
        self.error = error


class Sweep(Callback):
    """Hydra calls it before a sweep and after. Runs that a sweeper makes up as it goes cannot be known before."""

    def __init__(self) -> None:
        self._runs: list[tuple[Sequence[str], Run]] = []

    def on_multirun_start(self, config: DictConfig, config_name: str | None = None, **_: Any) -> None:
        """Raise `Refused` for a run that is described wrongly; `compose` is by the Hydra that is about to sweep."""
        try:
            for job in jobs(config):
                composed = compose(config_name, [*config.hydra.overrides.hydra, *job])
                self._runs.append((job, described(composed, optimises(config.hydra))))
        except UserError as error:
            raise Refused(error) from error
        except MISTAKES as error:
            raise Refused(complaint(error, job)) from error

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """List where the tables and pictures are; a sweeper that looks for the best run says itself what it found."""
        if optimises(config.hydra):
            return
        print(f"\n{len(self._runs)} runs done")
        for job, run in self._runs:
            print(f"  {paths.relative(run.folder)}  {' '.join(job)}")


def optimises(hydra: HydraConf) -> bool:
    """Whether a sweeper is at work that looks for the best run, and does not only go through the values written."""
    return hydra.mode is RunMode.MULTIRUN and hydra.runtime.choices["hydra/sweeper"] != "basic"


def jobs(config: DictConfig) -> Iterator[list[str]]:
    """The overrides of each run of a sweep; of a sweeper that chooses the values itself, one that it may choose."""
    parameters = config.hydra.sweeper.get("params") or {}
    written = [*(f"{key}={value}" for key, value in parameters.items()), *config.hydra.overrides.task]
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    choices = {o.get_key_element(): _written(o) for o in parser.parse_overrides(written)}
    if optimises(config.hydra):
        choices = {key: values[:1] for key, values in choices.items()}
    yield from map(list, itertools.product(*choices.values()))


def _written(override: Override) -> list[str]:
    """An override for each of its values; for an interval, for its end."""
    return [f"{override.get_key_element()}={value}" for value in _values(override)]


def _values(override: Override) -> Iterable[Any]:
    value = override.value()
    if isinstance(value, IntervalSweep):
        return [value.end]
    return override.sweep_string_iterator() if override.is_sweep_override() else [override.get_value_element_as_str()]
