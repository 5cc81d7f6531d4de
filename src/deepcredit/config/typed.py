"""From what Hydra composed to a config typed by its schema."""

from typing import Any

from omegaconf import DictConfig, OmegaConf, SCMode

from deepcredit.config.complaints import not_chosen
from deepcredit.config.lists import with_lists
from deepcredit.config.scales import scale_names
from deepcredit.config.studies import conf_files, schema_of
from deepcredit.core.errors import UserError
from deepcredit.core.registry import open_sections

#: the one setting of `conf/run.yaml` that is of a run, and not of its experiment
OBJECTIVE = "objective"


def example() -> str:
    """The name of an experiment, to show how one is named."""
    return next(iter(conf_files("experiment/*.yaml")), "<none defined>")


def structured(schema: Any) -> DictConfig:
    """A schema as OmegaConf merges into it, with the sections open that take the options of records."""
    node = OmegaConf.structured(schema)
    for section in open_sections(schema):
        OmegaConf.set_struct(node[section], False)
    return node


def typed_config(composed: DictConfig) -> DictConfig:
    """A config as Hydra composed it, typed by the schema of its kind; a single value for a list is a list of one.

    `objective` is left out. Raises what OmegaConf does for a wrong type, and a `UserError` where no
    experiment or scale is chosen.
    """
    if composed.get("kind") is None:
        raise not_chosen("experiment", example())
    if composed.get("scale") is None:
        raise UserError("scale is not set; allowed: " + ", ".join(scale_names()))
    schema = schema_of(composed.kind)
    tree: Any = OmegaConf.to_container(composed, structured_config_mode=SCMode.DICT)
    tree.pop(OBJECTIVE, None)
    merged = OmegaConf.merge(structured(schema), with_lists(schema, tree))
    assert isinstance(merged, DictConfig)
    return merged
