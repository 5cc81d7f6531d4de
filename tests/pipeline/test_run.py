"""One run from the command line: what it computes, what it shows, and what it refuses.

Expectations: the pipeline's own cell for the same settings, Hydra's grammar for sweeps, the form an error must have.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from deepcredit import cli
from deepcredit.config.cells import cells_of, single_cell
from deepcredit.config.compose import experiment_config
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.jobs import app, run
from deepcredit.jobs.objective import direction, objective_of
from deepcredit.store.address import path_of

DEPTH = "experiment=target_alignment_depth"
SMALL = "experiment=interference"

#: exit code, standard output and standard error of a command in this process
Answer = tuple[int, str, str]
Ask = Callable[..., Answer]


@pytest.fixture
def ask(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """`deepcredit` with the words given; what a sweep leaves goes into `tmp_path`."""
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setattr(app, "_sweeps", lambda: tmp_path)

    def answer(*words: str) -> Answer:
        try:
            code = cli.main(words)
        except SystemExit as left:
            code = int(left.code or 0)
        return code, *capfd.readouterr()

    return answer


@pytest.fixture
def performed(monkeypatch: pytest.MonkeyPatch) -> list[run.Run]:
    """Every run that would be computed; nothing is."""
    runs: list[run.Run] = []
    monkeypatch.setattr(app, "perform", lambda described: runs.append(described))
    return runs


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A folder of a user's own configs, with an experiment and a root."""
    folder = tmp_path / "own"
    (folder / "experiment").mkdir(parents=True)
    text = "# @package _global_\ndefaults: [/schema@_global_: interference, _self_]\nexperiment: mine\n"
    (folder / "experiment" / "mine.yaml").write_text(text)
    root = "defaults: [run, override experiment: mine, _self_]\ninference: {n_steps: 3}\n"
    (folder / "night.yaml").write_text(root)
    return folder


# --- which runs there are -----------------------------------------------------------------------------------------


def test_a_single_value_for_a_list_is_a_list_of_one() -> None:
    config = experiment_config([DEPTH, "seed=3", "model.act_fn=tanh", "optimizer.lr=1"])
    assert (config.seed, list(config.optimizer.lr)) == ([3], [1.0])
    assert [str(name).rpartition(".")[2] for name in config.model.act_fn] == ["tanh"]
    assert experiment_config([DEPTH, "seed=[3,4]"]).seed == [3, 4]


def test_a_sweep_is_the_product_of_its_choices(ask: Ask, performed: list[run.Run]) -> None:
    code, said, _ = ask("run", "-m", DEPTH, "model.act_fn=linear,tanh", "model.num_layers=range(2,4)", "seed=choice(3)")
    assert code == 0
    found = [(r.cell.settings["model"]["act_fn"], r.cell.settings["model"]["num_layers"]) for r in performed]
    assert found == [([phi], n) for phi in ("linear", "tanh") for n in (2, 3)]
    assert {tuple(r.cell.settings["seed"]) for r in performed} == {(3,)}
    assert "4 runs done" in said
    assert all(f"{paths.relative(r.folder)}  {DEPTH}" in said for r in performed)


def test_values_to_sweep_over_may_stand_in_a_config(ask: Ask, performed: list[run.Run], own_folder: Path) -> None:
    text = "defaults: [night, _self_]\nhydra: {mode: MULTIRUN, sweeper: {params: {inference.n_steps: '5,6'}}}\n"
    (own_folder / "sweep.yaml").write_text(text)
    code, said, error = ask("run", "--config-dir", str(own_folder), "-cn", "sweep")
    assert code == 0, said + error
    assert [r.cell.settings["inference"]["n_steps"] for r in performed] == [5, 6]


@pytest.mark.parametrize(
    ("override", "advice"),
    [
        ("seed=0,1", "add -m for a run with each, or write seed=[0,1]"),
        ("model.num_layers=range(2,4)", "add -m for a run with each"),
    ],
)
def test_several_values_without_multirun_are_refused_with_what_to_write(ask: Ask, override: str, advice: str) -> None:
    code, said, error = ask("run", DEPTH, override)
    assert (code, said, len(error.splitlines())) == (2, "", 1)
    assert f"{override} is several values; {advice}" in error


def test_settings_written_differently_are_the_pipelines_cell() -> None:
    (planned,) = cells_of("interference", "quick")
    written = single_cell(experiment_config([SMALL, "data.input=1", "data.target=[0,1]"]))
    assert path_of(run._as_planned(written, "quick")) == path_of(planned)
    other = single_cell(experiment_config([SMALL, "data.input=2"]))
    assert run._as_planned(other, "quick") == other


def test_run_computes_what_compute_does_and_then_takes_it_from_the_store(clone) -> None:
    settings = (SMALL, "inference.n_steps=8")
    first = clone.run("-m", "deepcredit", "run", *settings)
    assert first.returncode == 0, first.stderr
    assert "interference: computing" in first.stdout
    arrays = sorted(p for p in (clone.root / "results").rglob("*.nc"))
    computed = clone.run("-m", "deepcredit", "compute", *settings)
    assert [clone.root / computed.stdout.strip()] == arrays
    folder = clone.root / "results" / "runs" / f"interference-{arrays[0].stem}"
    assert {p.name for p in folder.iterdir()} == {"picture.png", "table.csv", "settings.yaml"}
    assert all(str(p.relative_to(clone.root)) in first.stdout for p in [*arrays, *folder.iterdir()])
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the extra `joblib` is not installed")
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    again = clone.run("-m", "deepcredit", "run", "-m", SMALL, "inference.n_steps=8,9", *joblib)
    assert again.returncode == 0, again.stderr
    assert "interference: from the store" in again.stdout
    assert "interference: computing" in again.stdout
    assert "2 runs done" in again.stdout
    assert not {"outputs", "multirun"} & {path.name for path in clone.root.iterdir()}


# --- what is written wrongly --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((DEPTH, "model.num_layers=2", "model.act_fm=tanh"), "did you mean 'model.act_fn'"),
        (("-m", DEPTH, "model.act_fm=tanh,relu"), "did you mean 'model.act_fn'"),
        (("experiment=target_alignment_dept",), "did you mean"),
        (("seed=0",), "experiment=<name>"),
        (("-m", "seed=0,1"), "experiment=<name>"),
        ((DEPTH, "seed=abc"), "could not be converted to Integer"),
        ((DEPTH, "model.num_layers=0"), "model.num_layers=0 is not valid"),
        ((DEPTH, "+model.depth=2"), "unknown setting model.depth"),
        ((DEPTH, "trainer.threads=0"), "trainer.threads=0 is not valid"),
        ((DEPTH, "model.num_layers=["), "cannot read the override"),
        ((DEPTH, "hydra.swep.dir=x"), "unknown setting hydra.swep.dir=x of Hydra"),
        ((DEPTH, "objective=overshot"), "did you mean 'overshoot'"),
        ((DEPTH, "--resolve"), "--resolve flag can only be used"),
        (("--config-dir", "nowhere", DEPTH), "nowhere' not found"),
        (("--config-name", "nothing"), "no config 'nothing'"),
        ((DEPTH, "hydra/sweeper=optima"), "unknown hydra/sweeper 'optima'"),
    ],
)
def test_a_wrong_run_is_one_line(ask: Ask, performed: list[run.Run], words: tuple[str, ...], said: str) -> None:
    code, output, error = ask("run", *words)
    assert (code, output, len(error.strip().splitlines())) == (2, "", 1), error
    assert said in error
    assert performed == []


def test_who_asks_for_full_errors_sees_where_they_come_from(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    error = ask("run", DEPTH, "model.num_layers=0")[2].splitlines()
    assert (error[0], error[-1][:11]) == ("Traceback (most recent call last):", "deepcredit:")


def test_a_sweep_with_a_wrong_run_writes_nothing(clone) -> None:
    done = clone.run("-m", "deepcredit", "run", "-m", DEPTH, "model.num_layers=2,0")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "model.num_layers=0 is not valid" in done.stderr
    assert [path.name for path in (clone.root / "results").iterdir()] == ["cache"]


def refuse_first(runs: list[run.Run]) -> Callable[[run.Run], float]:
    def perform(described: run.Run) -> float:
        runs.append(described)
        if len(runs) == 1:
            raise UserError("no data")
        return 1.0

    return perform


def test_a_run_that_cannot_be_computed_is_one_line(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "perform", refuse_first([]))
    assert ask("run", SMALL) == (2, "", "deepcredit: no data\n")


def test_a_run_that_fails_in_a_sweep_leaves_the_others_be(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[run.Run] = []
    monkeypatch.setattr(app, "perform", refuse_first(runs))
    code, said, error = ask("run", "-m", SMALL, "inference.n_steps=8,9")
    assert (code, len(runs)) == (2, 2)
    assert error.splitlines()[0].startswith("Error executing job with overrides: ['experiment=interference', 'inf")
    assert error.splitlines()[1:] == ["deepcredit: no data"]
    assert "runs done" not in said


def test_an_error_in_the_code_of_a_run_is_no_mistake_of_the_user(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "perform", lambda described: [][1])
    with pytest.raises(IndexError):
        ask("run", SMALL)


def test_an_option_of_an_extra_says_how_to_install_it(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    if "hydra_plugins.hydra_optuna_sweeper" in sys.modules:
        pytest.skip("the extra `optuna` is installed")
    assert "pip install -e '.[optuna]'" in ask("run", "-m", SMALL, "hydra/sweeper=optuna")[2]


# --- Hydra's flags ------------------------------------------------------------------------------------------------


def test_the_config_is_printed_and_nothing_is_run(ask: Ask, performed: list[run.Run]) -> None:
    code, said, _ = ask("run", SMALL, "inference.n_steps=7", "--cfg", "job")
    job = yaml.safe_load(said)
    assert (code, job["inference"]["n_steps"], job["objective"]) == (0, 7, None)
    assert "hydra" not in job
    assert "hydra" in yaml.safe_load(ask("run", SMALL, "--cfg", "all")[1])
    assert list(yaml.safe_load(ask("run", "--cfg", "hydra")[1])) == ["hydra"]
    assert performed == []


def test_a_part_of_the_config_is_printed_with_interpolations_resolved(ask: Ask) -> None:
    _, said, _ = ask(
        "run", SMALL, "hydra.job.name=${data.input}x", "--cfg", "all", "--package", "hydra.job", "--resolve"
    )
    assert said.startswith("# @package hydra.job\n")
    assert yaml.safe_load(said)["name"] == "1.0x"
    assert yaml.safe_load(ask("run", SMALL, "--cfg", "job", "-p", "inference")[1])["n_steps"] == 128


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("searchpath", "file://{conf} "),
        ("defaults", "experiment/interference"),
        ("defaults-tree", "experiment: interference"),
        ("config", "initial_weight: 1.0"),
        ("plugins", "BasicSweeper"),
        ("all", "Defaults Tree"),
    ],
)
def test_hydra_tells_how_the_config_came_about(ask: Ask, what: str, said: str) -> None:
    code, output, _ = ask("run", SMALL, "--info", what)
    assert code == 0
    assert said.format(conf=paths.conf()) in output


def test_without_words_it_shows_how_to_use_it_and_what_there_is(ask: Ask) -> None:
    code, text, _ = ask("run")
    assert code == 0
    assert "usage: deepcredit run experiment=NAME" in text
    assert "  interference  " in text
    assert "figure:" not in text


def test_help_with_an_experiment_shows_its_settings(ask: Ask) -> None:
    assert "inference:\n  lr: 0.1\n  n_steps: 7\n" in ask("run", SMALL, "inference.n_steps=7", "--help")[1]


def test_hydras_help_lists_flags_and_groups(ask: Ask) -> None:
    text = ask("run", "--hydra-help")[1]
    assert re.search("^hydra/launcher: basic", text, re.MULTILINE)
    assert "--config-dir" in text
    assert 'eval "$(deepcredit run -sc install=bash)"' in text


def test_a_folder_of_ones_own_adds_experiments_and_roots(ask: Ask, performed: list[run.Run], own_folder: Path) -> None:
    folder = str(own_folder)
    assert ask("run", "--config-dir", folder, "experiment=mine")[0] == 0
    assert ask("run", "--config-dir", folder, "--config-name", "night")[0] == 0
    assert ask("run", "--config-path", folder, "--config-name", "night", "inference.n_steps=4")[0] == 0
    assert {r.cell.experiment for r in performed} == {"mine"}
    assert [r.cell.settings["inference"]["n_steps"] for r in performed] == [128, 3, 4]


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("deepcredit run experiment=interf", ["experiment=interference"]),
        ("deepcredit run experiment=interference inference.", ["inference.lr=", "inference.n_steps="]),
        ("deepcredit run experiment=nothing model.", []),
    ],
)
def test_a_shell_completes_groups_and_settings(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, line: str, completed: list[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    code, said, error = ask("-sc", "query=bash")
    assert (code, said.split(), error) == (0, completed, "")


def test_a_shell_completes_commands(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_LINE", "deepcredit r")
    assert {"run", "compute", "verify"} <= set(ask("-sc", "query=bash")[1].split())


@pytest.mark.parametrize("words", [("run", "--shell-completion"), ("-sc",)])
def test_completion_is_installed_for_the_command(ask: Ask, words: tuple[str, ...]) -> None:
    code, script, _ = ask(*words, "install=bash")
    assert code == 0
    assert script.strip().endswith("-F hydra_bash_completion deepcredit")


def test_versions(ask: Ask) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", ask("--version")[1])
    assert ask("run", "--version")[1].startswith("Hydra 1.")


def test_only_what_hydra_offers_its_users_is_imported() -> None:
    users = {path.name: text for path in paths.PACKAGE.rglob("*.py") if "hydra" in (text := path.read_text())}
    assert "app.py" in users
    assert [name for name, text in users.items() if "hydra._internal" in text] == []


# --- what is optimised --------------------------------------------------------------------------------------------


def test_a_study_of_three_trials_finds_the_best_of_them(clone) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="the extra `optuna` is not installed")
    small = ("model.n_hidden=2", "model.width=8", "data.max_steps=4", "data.test_every=2", "data.n_test=256")
    study = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.sampler.seed=1")
    kept = "hydra.sweeper.storage=sqlite:///study.db"
    words = ("experiment=mupc_depth", *small, "inference.lr=interval(0.1,1)", "seed=choice(0,1)", *study, kept)
    done = clone.run("-m", "deepcredit", "run", "-m", *words)
    assert done.returncode == 0, done.stderr
    accuracies = [float(found) for found in re.findall(r"^test_accuracy (\S+)$", done.stdout, re.MULTILINE)]
    assert len(accuracies) == 3
    found = OmegaConf.load(clone.root / "results" / "logs" / "multirun" / "optimization_results.yaml")
    assert found.best_value == pytest.approx(max(accuracies), rel=1e-5)
    settings = [yaml.safe_load(p.read_text()) for p in clone.root.rglob("settings.yaml")]
    assert found.best_params["inference.lr"] in [s["inference"]["lr"][0] for s in settings]
    assert (clone.root / "study.db").is_file()


@pytest.mark.parametrize(
    ("words", "first"),
    [(("objective=train_loss",), "minimize"), ((), "maximize"), (("hydra.sweeper.direction=minimize",), "minimize")],
)
def test_a_study_goes_the_way_in_which_the_objective_gets_better(ask: Ask, words: tuple[str, ...], first: str) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="the extra `optuna` is not installed")
    shown = ("--cfg", "all", "--resolve", "-p", "hydra.sweeper.direction")
    assert ask("run", "experiment=mupc_depth", "hydra/sweeper=optuna", *words, *shown)[1].strip() == first


def test_an_objective_is_an_array_of_the_experiment() -> None:
    training = single_cell(experiment_config(["experiment=mupc_depth", "model.n_hidden=2"])).config
    other = single_cell(experiment_config([SMALL])).config
    assert objective_of(training, None, needed=True) == "test_accuracy"
    assert objective_of(training, "train_loss", needed=False) == "train_loss"
    assert objective_of(other, None, needed=False) is None
    with pytest.raises(UserError, match=r"objective is not chosen; .*allowed: .*loss"):
        objective_of(other, None, needed=True)
    with pytest.raises(UserError, match=r"unknown objective 'los' .*'loss'"):
        objective_of(other, "los", needed=False)


def test_accuracies_are_better_high_and_losses_low() -> None:
    assert [direction(name) for name in (None, "test_accuracy", "target_alignment")] == ["maximize"] * 3
    assert [direction(name) for name in ("train_loss", "condition_number")] == ["minimize"] * 2
