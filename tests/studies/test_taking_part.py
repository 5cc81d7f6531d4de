"""A study from an installed package takes part in everything, with no file of the clone touched.

Expectations: the skeleton's own files; the edit that the test made.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.page.conftest import rules
from tests.studies.conftest import EXAMPLE, OWN, STUDY, Extended

pytestmark = [pytest.mark.xdist_group("outside"), pytest.mark.timeout(600)]

JOBS = {f"compute_{EXAMPLE}", f"draw_{EXAMPLE}"}


def planned(clone: Extended) -> set[str]:
    """The jobs that Snakemake would run, but for what shows all figures."""
    return rules(clone.snakemake("--dry-run")) - {"page", "claims"}


def test_its_own_tests_pass(built: Extended, skeleton: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(skeleton)]
    done = subprocess.run(words, cwd=built.root, env=built.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_its_figure_and_claim_are_built_and_on_the_page_under_its_title(built: Extended) -> None:
    folder = built.root / "results" / "ci"
    assert all((folder / "figures" / STUDY / f"{EXAMPLE}{suffix}").is_file() for suffix in (".pdf", ".png", ".csv"))
    (claim,) = [c for c in json.loads((folder / "claims.json").read_text()) if c["figure"] == EXAMPLE]
    assert (claim["verdict"], claim["published"]) == ("reproduced", 0.1)
    page = (folder / "index.html").read_text(encoding="utf-8")
    for shown in ("My paper", "Authors (year), title. Journal.", "learning a linear teacher", claim["claim"]):
        assert shown in page


def test_a_second_build_has_nothing_to_do(built: Extended) -> None:
    assert rules(built.snakemake("--dry-run")) == set()


def test_an_edit_of_its_code_makes_its_arrays_stale_and_no_others(extended: Extended) -> None:
    extended.edit(extended.packages / STUDY / "experiment.py", "- optimizer.lr * g", "- g * optimizer.lr")
    assert planned(extended) == JOBS
    said = extended.say("explain", EXAMPLE, "--scale", "ci")
    assert f"code changed in {STUDY}.experiment: descend" in said
    assert "is up to date" in extended.say("explain", OWN, "--scale", "ci")


def test_an_edit_of_its_drawing_redraws_its_figure_alone(extended: Extended) -> None:
    extended.edit(extended.packages / STUDY / "figures" / "example.py", "linewidth=0.5", "linewidth=0.7")
    assert planned(extended) == {f"draw_{EXAMPLE}"}


def test_an_edit_of_a_comment_or_of_its_cost_makes_nothing_stale(extended: Extended) -> None:
    path = extended.packages / STUDY / "experiment.py"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n# a remark\n", encoding="utf-8")
    extended.edit(extended.packages / STUDY / "cost.py", "LAYER_SECONDS = 5e-5", "LAYER_SECONDS = 6e-5")
    assert planned(extended) == set()


def test_an_edit_of_its_config_makes_its_arrays_stale_and_no_others(extended: Extended) -> None:
    conf = extended.packages / STUDY / "conf" / "experiment" / f"{EXAMPLE}.yaml"
    extended.edit(conf, "lr: 0.1", "lr: 0.2")
    assert planned(extended) == JOBS
    assert "the setting optimizer.lr changed: 0.1 → 0.2" in extended.say("explain", EXAMPLE, "--scale", "ci")


def test_an_edit_of_a_shared_room_that_it_computes_with_makes_it_stale(extended: Extended) -> None:
    path = extended.root / "src" / "deepcredit" / "rules" / "backprop.py"
    path.write_text(f"{path.read_text(encoding='utf-8')}\nUNUSED = 1\n", encoding="utf-8")
    assert planned(extended) >= JOBS


def test_an_edit_of_another_study_leaves_it_alone(extended: Extended) -> None:
    path = extended.root / "src" / "deepcredit" / "studies" / "prospective" / "experiments" / "interference.py"
    path.write_text(f"{path.read_text(encoding='utf-8')}\nUNUSED = 1\n", encoding="utf-8")
    assert planned(extended) == {f"compute_{OWN}", f"draw_{OWN}"}


def test_a_run_of_its_experiment_is_taken_from_the_store_or_computed(built: Extended) -> None:
    (array,) = (built.root / "results" / "store" / EXAMPLE).glob("n_hidden-1-*.nc")
    said = built.say("run", f"experiment={EXAMPLE}", "scale=ci", "model.n_hidden=1")
    assert "from the store" in said
    assert f"results/store/{EXAMPLE}/{array.name}" in said
    assert EXAMPLE in built.say("run")


def test_a_sweep_over_its_settings_runs(built: Extended) -> None:
    said = built.say("run", "-m", f"experiment={EXAMPLE}", "scale=ci", "model.n_hidden=0,1")
    assert said.count("from the store") == 2
    assert "2 runs done" in said


def test_every_question_knows_it(built: Extended, tmp_path: Path) -> None:
    folder = built.root / "results" / "ci"
    listed = [line.split() for line in built.say("list", "--scale", "ci").splitlines() if line.startswith(EXAMPLE)]
    assert [row[1:3] for row in listed] == [["fresh", "2/2"], ["fresh", "2/2"]]
    assert "0 of them from earlier code; 0 damaged" in built.say("verify")
    assert EXAMPLE not in built.say("gc")
    figure = shutil.copy(folder / "figures" / STUDY / f"{EXAMPLE}.png", tmp_path / "copied.png")
    assert f"{STUDY}/{EXAMPLE}" in built.say("whence", str(figure))


def test_a_difference_between_two_folders_of_its_results_is_named(built: Extended, tmp_path: Path) -> None:
    folder = built.root / "results" / "ci"
    other = shutil.copytree(folder, tmp_path / "other")
    table = other / "figures" / STUDY / f"{EXAMPLE}.csv"
    first, *rows = table.read_text(encoding="utf-8").splitlines()
    column = first.split(",").index("loss")
    cells = rows[1].split(",")
    cells[column] = "123"
    table.write_text("\n".join([first, rows[0], ",".join(cells), *rows[2:]]), encoding="utf-8")
    assert EXAMPLE in built.say("diff", str(folder), str(other), code=1)


def test_its_jobs_ask_a_cluster_for_time_and_memory(extended: Extended) -> None:
    extended.edit(extended.packages / STUDY / "experiment.py", "- optimizer.lr * g", "- g * optimizer.lr")
    done = extended.snakemake("--profile", "workflow/profiles/slurm", "--dry-run", EXAMPLE)
    (job,) = [part for part in (done.stdout + done.stderr).split("\nrule ") if part.startswith(f"compute_{EXAMPLE}:")]
    assert "runtime=11" in job  # minutes: ten and what three times the expected seconds are
    assert "mem_mb=" in job
