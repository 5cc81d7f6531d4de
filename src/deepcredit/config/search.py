"""What Hydra composes from besides `conf/`: the kinds' schemas, the `conf/` folders of studies from outside, scales.

`register` makes them known. Scales are not files as Hydra reads them, so they come from a source of their own: the
group `scale`, and for the experiment that is composed what the scale makes of its paper grid.
"""

from functools import cache
from typing import Any

from hydra import compose
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from deepcredit.config.lists import accepting_one
from deepcredit.config.scales import PAPER, changes, scale_names
from deepcredit.config.studies import conf_folders, kinds, schema_of
from deepcredit.config.typed import structured, typed_config

#: option `<scale>` of this group says the scale; `<group>/thin/<scale>/<experiment>`, what it changes
GROUP = "scale"

#: what stands for the experiment in such a path where none is chosen, as for `deepcredit run --help`
NOT_CHOSEN = "None"


@cache
def register() -> None:
    """Make Hydra know schemas, studies from outside and scales, whenever it composes in this process."""
    for kind in kinds():
        ConfigStore.instance().store(group="schema", name=kind, node=structured(accepting_one(schema_of(kind))))
    Plugins.instance().register(ScaleSource)
    Plugins.instance().register(SearchPath)


class SearchPath(SearchPathPlugin):
    """Adds every `conf/` folder that is not on the search path yet, and the scales."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        known = [(element.path or "").removeprefix("file://") for element in search_path.get_path()]
        for folder in map(str, conf_folders()):
            if folder not in known:
                search_path.append("deepcredit", f"file://{folder}")
        search_path.append("deepcredit", f"{ScaleSource.scheme()}://")


class ScaleSource(ConfigSource):
    """The group `scale`. What an option changes in an experiment is worked out when Hydra asks for it."""

    @staticmethod
    def scheme() -> str:
        return "scales"

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path in ("", GROUP)

    def is_config(self, config_path: str) -> bool:
        scale, _ = _named(config_path)
        return scale != "" and scale in scale_names()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path == GROUP:
            return [] if results_filter == ObjectType.GROUP else scale_names()
        return [GROUP] if config_path == "" and results_filter != ObjectType.CONFIG else []

    def load_config(self, config_path: str) -> ConfigResult:
        scale, experiment = _named(config_path)
        content = _thinned(experiment, scale) if experiment else {"scale": scale}
        return ConfigResult(self.provider, self.full_path(), OmegaConf.create(content), {"package": "_global_"})


def _named(config_path: str) -> tuple[str, str]:
    """Scale and experiment that a path in the group names; empty where it names none."""
    match config_path.removesuffix(".yaml").split("/"):
        case [group, scale] if group == GROUP:
            return scale, ""
        case [group, "thin", scale, experiment] if group == GROUP:
            return scale, experiment
    return "", ""


def _thinned(experiment: str, scale: str) -> dict[str, Any]:
    """What a scale changes in an experiment, which the Hydra that is composing composes at the paper scale first."""
    if scale == PAPER or experiment == NOT_CHOSEN:
        return {}
    return changes(typed_config(compose("config", [f"experiment={experiment}", f"{GROUP}={PAPER}"])), scale)
