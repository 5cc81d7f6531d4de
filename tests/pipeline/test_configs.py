"""Every config of the project composes at every scale, and a wrong one says in one line what is wrong.

Expectations: the schemas' own field names and ranges, and the form an error must have.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from deepcredit.config.cells import cells_of, single_cell
from deepcredit.config.compose import experiment_config, experiment_names, figure_config, figure_names
from deepcredit.config.scales import scale_names
from deepcredit.config.studies import drawing_module
from deepcredit.core.errors import UserError


@pytest.mark.parametrize("scale", scale_names())
@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_has_distinct_valid_cells_at_every_scale(name: str, scale: str) -> None:
    cells = cells_of(name, scale)
    assert cells
    assert len({cell.name for cell in cells}) == len(cells)
    for cell in cells:
        assert cell.config.kind == cell.kind


@pytest.mark.parametrize("name", experiment_names())
def test_the_command_of_a_cell_composes_to_that_cell(name: str) -> None:
    for cell in {c.name: c for scale in scale_names() for c in cells_of(name, scale)[:3]}.values():
        again = single_cell(experiment_config([f"experiment={name}", "scale=paper", *cell.overrides]))
        assert again.settings == cell.settings
        assert again.name == cell.name


@pytest.mark.parametrize("name", figure_names())
def test_every_figure_names_functions_that_exist_and_experiments_that_exist(name: str) -> None:
    figure = figure_config(name)
    module, function = drawing_module(name.split("/")[0], figure.draw)
    namespace = __import__(module, fromlist=[function])
    assert callable(getattr(namespace, function))
    for claim in figure.claims:
        assert callable(getattr(namespace, claim.check))
        assert claim.text.strip()
    assert figure.caption.strip()
    assert set(figure.experiments.values()) <= set(experiment_names())


def test_every_experiment_is_read_by_a_figure() -> None:
    read = {e for name in figure_names() for e in figure_config(name).experiments.values()}
    assert not set(experiment_names()) - read


WRONG = {
    "experiment=target_alignment_dept": ("experiment", "'target_alignment_dept'", "target_alignment_depth"),
    "scale=papr": ("scale", "'papr'", "paper"),
    "~scale": ("scale is left out", "scale=<name>"),
    "model.num_layer=3": ("model.num_layer=3", "model.num_layers"),
    "model.num_layers=few": ("model.num_layers=few", "Integer"),
    "model.num_layers=-2": ("model.num_layers=-2", "at least 1"),
    "model.init=xavier": ("model.init=xavier", "xavier_uniform"),
    "rule=[bq]": ("rule: unknown rule 'bq'", "allowed: bp, pc, tp"),
    "rule_options.gain=1": ("rule_options.gain=1", "no option of pc, bp"),
    "seed=[-1]": ("seed=[-1]", "at least 0"),
    "seed=[1,1]": ("seed=[1, 1]", "without repetitions"),
    "model.init=[xavier": ("model.init=[xavier", "key=value"),
    "model=small": ("model",),
}


@pytest.mark.parametrize("override", WRONG)
def test_a_wrong_override_is_one_line_that_names_setting_value_and_what_is_allowed(override: str) -> None:
    base = [] if override.startswith("experiment") else ["experiment=target_alignment_depth", "model.num_layers=2"]
    with pytest.raises(UserError) as caught:
        single_cell(experiment_config([*base, override]))
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in WRONG[override])


def test_a_wrong_override_on_the_command_line_exits_with_2_and_writes_nothing(tmp_path: Path) -> None:
    from deepcredit.core import paths

    before = set(paths.root().joinpath("conf").rglob("*"))
    command = [sys.executable, "-m", "deepcredit", "compute", "experiment=interference", "optimizer.lr=fast"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=paths.root())
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "optimizer.lr=fast" in done.stderr
    assert set(paths.root().joinpath("conf").rglob("*")) == before


def test_a_misspelt_key_in_an_experiment_file_is_rejected_with_the_nearest_name(clone) -> None:
    path = clone.root / "conf" / "experiment" / "interference.yaml"
    clone.edit(path, "optimizer:", "optimiser:")
    done = clone.run("-m", "deepcredit", "compute", "experiment=interference")
    assert done.returncode == 2
    assert "optimiser" in done.stderr
    assert "optimizer" in done.stderr


def test_snakemake_passes_the_message_on(clone) -> None:
    done = clone.run("-m", "snakemake", "-n", "--config", "scale=papr")
    assert done.returncode != 0
    assert "unknown scale 'papr' (did you mean 'paper'?); allowed: ci, paper, quick" in done.stdout + done.stderr
