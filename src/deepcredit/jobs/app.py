"""`deepcredit run` as a Hydra application: all flags, sweepers and launchers are Hydra's.

Hydra reads `conf/run.yaml`, and `task` is what it calls for each run. What is written wrongly is one line.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from deepcredit.config.compose import MISTAKES, complaint
from deepcredit.config.search import register
from deepcredit.config.studies import conf_folders
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.jobs.objective import direction
from deepcredit.jobs.run import Run, described, perform
from deepcredit.jobs.sweep import Refused, optimises

#: where it is 1, Hydra leaves errors to its caller; a user who sets it wants to see where they come from
FULL_ERROR = "HYDRA_FULL_ERROR"

#: folders of `conf/` that hold no settings of a run
NO_SETTINGS = ("figure", "schema")


def main(arguments: Sequence[str]) -> None:
    """Run Hydra on the words after `deepcredit run`; without any, on `--help`.

    Raises a `UserError` for what is written wrongly, and leaves errors in the code of a run as they are.
    """
    register()
    _register_own()
    app = hydra.main(config_path=str(paths.conf()), config_name="run", version_base="1.3")(task)
    words = list(arguments) or ["--help"]
    with _command_line(words), _errors_left_to_caller() as traced:
        try:
            app()
        except (Refused, Exception) as error:
            if traced:
                traceback.print_exc()
            raise _mistake(error, words) from error


def task(config: DictConfig) -> float | None:
    """One run; returns the number that sweepers optimise.

    A mistake ends a single run at once; in a sweep it is the run's result, and the sweeper decides.
    """
    try:
        return perform(_described(config))
    except UserError as error:
        if HydraConfig.get().mode is RunMode.RUN:
            raise Refused(error) from error
        raise


def _described(config: DictConfig) -> Run:
    running = HydraConfig.get()
    try:
        return described(config, optimises(running))
    except MISTAKES as error:
        raise complaint(error, running.overrides.task) from error


def _mistake(error: BaseException, words: Sequence[str]) -> BaseException:
    """What the user did wrongly, in one line; an error in the code of a run as it is."""
    if isinstance(error, Refused):
        return error.error
    if isinstance(error, UserError) or _in_a_run(error):
        return error
    if isinstance(error, MISTAKES):
        return complaint(error, [word for word in words if "=" in word and not word.startswith("-")])
    said = (str(error).strip() or "no reason given").splitlines()[0]
    return UserError(f"{said} ({type(error).__name__}; {FULL_ERROR}=1 shows where)")


def _in_a_run(error: BaseException) -> bool:
    return any(frame.f_code is task.__code__ for frame, _ in traceback.walk_tb(error.__traceback__))


@contextlib.contextmanager
def _command_line(words: Sequence[str]) -> Iterator[None]:
    """Hydra takes its words from `sys.argv`; completion is that of the command as a whole."""
    before = sys.argv
    completion = any(word in ("-sc", "--shell-completion") for word in words)
    sys.argv = ["deepcredit" if completion else "deepcredit run", *words]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _errors_left_to_caller() -> Iterator[bool]:
    """Yields whether the user asked for it."""
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"
    try:
        yield before == "1"
    finally:
        del os.environ[FULL_ERROR]
        if before is not None:
            os.environ[FULL_ERROR] = before


# --- what `conf/run.yaml` refers to -------------------------------------------------------------------------------


def _register_own() -> None:
    """The folders that Hydra writes into, what `--help` says of the groups, and which way Optuna goes."""
    output = {"run": {"dir": "."}, "sweep": {"dir": str(_sweeps()), "subdir": "."}}
    ConfigStore.instance().store(group="hydra/output", name="deepcredit", package="hydra", node=output)
    OmegaConf.register_new_resolver("deepcredit.groups", _groups, replace=True)
    OmegaConf.register_new_resolver("deepcredit.direction", direction, replace=True)
    _turn_optuna()


def _sweeps() -> Path:
    return paths.root() / "results" / "logs" / "multirun"


def _turn_optuna() -> None:
    """Give Optuna's sweeper, where it is installed, the direction of the objective instead of `minimize`."""
    Plugins.instance()
    store = ConfigStore.instance()
    with contextlib.suppress(ConfigLoadError):
        optuna = store.load("hydra/sweeper/optuna.yaml")
        optuna.node.direction = "${deepcredit.direction:${objective}}"
        store.store(optuna.name, optuna.node, optuna.group, optuna.package, optuna.provider)


def _groups() -> str:
    """Every group of `conf/` with its options and what the comment on top of each says."""
    options: dict[str, list[Path]] = {}
    for folder in conf_folders():
        for path in folder.glob("*/*.yaml"):
            options.setdefault(path.parent.name, []).append(path)
    return "\n".join(_group(name, sorted(options[name])) for name in sorted(options) if name not in NO_SETTINGS)


def _group(name: str, options: Sequence[Path]) -> str:
    width = max(len(option.stem) for option in options)
    return "\n".join([f"{name}:", *(f"  {option.stem:{width}}  {_about(option)}" for option in options)])


def _about(path: Path) -> str:
    """What the comment on top of a config file says first."""
    comments = [x[1:].strip() for x in path.read_text(encoding="utf-8").splitlines() if x.startswith("#")]
    return next((comment for comment in comments if not comment.startswith("@package")), "")
