"""What Hydra composes from besides the project's `conf/`: the kinds' schemas, and the `conf/` folders of studies."""

from functools import cache

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from deepcredit.config.lists import accepting_one
from deepcredit.config.studies import conf_folders, kinds, schema_of


@cache
def register() -> None:
    """Make them known to every Hydra of this process."""
    for kind in kinds():
        ConfigStore.instance().store(group="schema", name=kind, node=accepting_one(schema_of(kind)))
    Plugins.instance().register(SearchPath)


class SearchPath(SearchPathPlugin):
    """Adds every `conf/` folder that is not on the search path yet."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        known = [element.path for element in search_path.get_path()]
        for folder in map(str, conf_folders()):
            if folder not in known:
                search_path.append("deepcredit", folder)
