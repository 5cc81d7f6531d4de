"""`deepcredit run`: one network, or a sweep of them, from Hydra overrides; computed, or taken from the store.

A run is a cell of its experiment with settings of the user's choice; the experiment's grid is left aside. The arrays go
into the store under the name that the pipeline would give them, a table, a picture and the settings into
`results/runs/<name>`. With several runs Hydra's own sweeper and launcher take over, so that
`hydra/launcher=submitit_slurm` sends each run to a cluster.
"""

import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
import matplotlib.style
from hydra import initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from deepcredit.config import compose
from deepcredit.config.cells import Cell, cells_of, single_cell
from deepcredit.config.compose import experiment_config
from deepcredit.config.schema import Trainer
from deepcredit.config.studies import conf_folders
from deepcredit.config.trees import instantiate, leaves, plain, tree_of
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.core.files import write_bytes
from deepcredit.figures.style import STYLE_SHEET
from deepcredit.jobs.compute import obtain
from deepcredit.jobs.overview import ROWS, picture, table
from deepcredit.store import store
from deepcredit.store.address import path_of

#: what Hydra writes of its own, out of the way; a user's `hydra.…` goes first
HYDRA = {
    "hydra/job_logging": "none",
    "hydra/hydra_logging": "none",
    "hydra.output_subdir": "null",
    "hydra.sweep.subdir": ".",
}


def run(overrides: Sequence[str], multirun: bool = False) -> None:
    """Compute and show the runs that Hydra `overrides` describe. All are validated before the first begins."""
    jobs = list(described(overrides, multirun))
    for job in jobs:
        single_cell(experiment_config(job))
    if not multirun:
        perform(experiment_config(jobs[0]))
        return
    print(f"{len(jobs)} runs", flush=True)
    done = _multirun(_with_lists(_parsed(overrides)))
    print(f"\n{len(jobs)} runs done")
    for job, folder in zip(jobs, done, strict=True):
        print(f"  {folder}  {' '.join(job)}")


def job_config(overrides: Sequence[str]) -> str:
    """The composed config of a run, as YAML; validated."""
    (job,) = described(overrides, multirun=False)
    config = experiment_config(job)
    single_cell(config)
    return OmegaConf.to_yaml(config)


def described(overrides: Sequence[str], multirun: bool) -> Iterator[list[str]]:
    """The overrides of each run. Raises a `UserError` for several values without `multirun`."""
    parsed = _parsed(overrides)
    if not multirun:
        _refuse_several(parsed)
    try:
        listed = [o for o in _parsed(_with_lists(parsed)) if not _is_hydras(o)]
        yield from BasicSweeper.split_arguments(listed, None)[0]
    except HydraException as error:
        raise UserError(str(error).splitlines()[0]) from error


def _refuse_several(overrides: Sequence[Override]) -> None:
    """Raise a `UserError` for an override that only a sweep has a use for."""
    for override in overrides:
        if override.is_sweep_override():
            config = _of_experiment(overrides)
            key, values = override.get_key_element(), _text(override).partition("=")[2]
            as_list = f"write {key}=[{values}] for a list, or " if _wants_list(config, override) else ""
            raise UserError(f"{_text(override)} is several values; {as_list}add -m for a run with each")


def perform(config: DictConfig) -> str:
    """Compute one run unless the store has it, show it, and return its folder."""
    cell = _as_planned(single_cell(config), config.scale)
    trainer = instantiate(Trainer, tree_of(config.trainer))
    array = path_of(cell)
    words = [cell.experiment, *(f"{label} {value}" for label, value in cell.labels.items())]
    print(f"{', '.join(words)}: {'from the store' if array.is_file() else 'computing'}", flush=True)
    folder = _present(cell, obtain(cell, trainer))
    return paths.relative(folder)


def _present(cell: Cell, array: Path) -> Path:
    """Print the table of a run, and where its files are; returns its folder."""
    dataset = store.read(array)
    rows = table(dataset)
    folder = paths.runs() / f"{cell.experiment}-{array.stem}"
    files = {"settings.yaml": OmegaConf.to_yaml(OmegaConf.create(cell.settings)).encode()}
    files["table.csv"] = rows.to_csv(index=False, lineterminator="\n").encode()
    matplotlib.use("Agg")
    with matplotlib.style.context(STYLE_SHEET):
        drawn = io.BytesIO()
        picture(dataset).savefig(drawn, format="png", metadata={"Software": "deepcredit"})
    files["picture.png"] = drawn.getvalue()
    for name, content in files.items():
        write_bytes(folder / name, content)
    print(f"\n{rows.head(ROWS).to_string(index=False)}")
    if len(rows) > ROWS:
        print(f"… and {len(rows) - ROWS} more rows in table.csv")
    print(f"\narrays   {paths.relative(array)}")
    for name in files:
        print(f"{name.partition('.')[0]:8} {paths.relative(folder / name)}")
    sys.stdout.flush()
    return folder


def _as_planned(cell: Cell, scale: str) -> Cell:
    """The cell of the pipeline that says the same as `cell`, if there is one: 1 for 1.0, or a number for a list."""
    for name in dict.fromkeys((scale, "paper")):
        for planned in cells_of(cell.experiment, name):
            if planned.config == cell.config:
                return planned
    return cell


# --- overrides ----------------------------------------------------------------------------------------------------


def _parsed(overrides: Sequence[str]) -> list[Override]:
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise compose.complaint(error, overrides) from error


def _text(override: Override) -> str:
    """The override as it was written."""
    return override.input_line or ""


def _is_hydras(override: Override) -> bool:
    return override.key_or_group.startswith(("hydra.", "hydra/"))


def _with_lists(overrides: Sequence[Override]) -> list[str]:
    """The overrides, with a list of one where a setting is a list and a single value was given."""
    config = _of_experiment(overrides)
    return [_listed(o) if _wants_list(config, o) else _text(o) for o in overrides]


def _of_experiment(overrides: Sequence[Override]) -> DictConfig:
    """The config of the first experiment named, without the settings."""
    return experiment_config([_first(o) for o in overrides if o.key_or_group in ("experiment", "scale")])


def _first(override: Override) -> str:
    if override.is_sweep_override():
        return f"{override.key_or_group}={next(iter(override.sweep_string_iterator()))}"
    return _text(override)


def _wants_list(config: DictConfig, override: Override) -> bool:
    if override.is_delete() or _is_hydras(override):
        return False
    known = dict(leaves(plain(tree_of(config))))
    return isinstance(known.get(override.key_or_group), list)


def _listed(override: Override) -> str:
    several = override.is_sweep_override()
    values = list(override.sweep_string_iterator()) if several else [override.get_value_element_as_str()]
    return f"{override.get_key_element()}={','.join(v if v.startswith('[') else f'[{v}]' for v in values)}"


# --- Hydra --------------------------------------------------------------------------------------------------------


def _multirun(overrides: Sequence[str]) -> list[str]:
    """Folders of all runs, by the sweeper and the launcher that Hydra is configured with."""
    given = {o.partition("=")[0] for o in overrides}
    folder = f"hydra.sweep.dir={paths.root()}/results/logs/multirun"
    own = [folder, *(f"{key}={value}" for key, value in HYDRA.items())]
    with initialize_config_dir(str(paths.conf()), version_base="1.3", job_name="deepcredit_run"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        words = [*(o for o in own if o.partition("=")[0] not in given), *compose.search_path(), *overrides]
        batches = hydra.multirun("config", perform, words, with_log_configuration=False)
    return [job.return_value for batch in batches for job in batch]


# --- help ---------------------------------------------------------------------------------------------------------

USAGE = """usage: deepcredit run experiment=NAME [GROUP=OPTION ...] [SETTING=VALUE ...] [-m] [--cfg job] [--help]

Train or compute one network now. Progress is shown; a table, a picture and the arrays are kept.

  deepcredit run experiment={example} --help              the experiment's settings
  deepcredit run experiment={example} seed=0              one run; `seed=[0,1,2]` for several seeds
  deepcredit run -m experiment={example} seed=0,1         one run after the other for each value
  deepcredit run experiment={example} --cfg job           print the config, run nothing
"""


def usage(overrides: Sequence[str] = ()) -> str:
    """How to use the command, the groups and their options; with an experiment, its settings and their values."""
    text = USAGE.format(example=compose.experiment_names()[0])
    if not overrides:
        return f"{text}\n{_groups()}"
    config = experiment_config(described_first(overrides))
    settings = [
        (k, v) for k, v in leaves(plain(tree_of(config))) if not k.startswith(("grid", "variants", "scales", "kind"))
    ]
    width = max(len(key) for key, _ in settings)
    lines = [f"  {key:{width}}  {value}" for key, value in settings]
    return f"{text}\nSettings of {config.experiment} at scale {config.scale}:\n" + "\n".join(lines)


def described_first(overrides: Sequence[str]) -> list[str]:
    """The overrides of the first run."""
    return next(iter(described(overrides, multirun=True)))


def _groups() -> str:
    groups: dict[str, list[Path]] = {}
    for option in sorted(path for folder in conf_folders() for path in folder.glob("*/*.yaml")):
        groups.setdefault(option.parent.name, []).append(option)
    lines = []
    for group in sorted(groups):
        lines.append(f"{group.removesuffix('s')}:")
        width = max(len(option.stem) for option in groups[group])
        lines += [f"  {option.stem:{width}}  {_about(option)}" for option in groups[group]]
    return "\n".join(lines)


def _about(path: Path) -> str:
    """What the comment on top of a config file says first."""
    comments = [x[1:].strip() for x in path.read_text(encoding="utf-8").splitlines() if x.startswith("#")]
    return next((comment for comment in comments if not comment.startswith("@package")), "")
