"""End to end at scale=ci: after an edit Snakemake plans exactly what the edit made stale, and nothing else.

Expectations: the list of the contract "keeps them rebuilt": what may and what must not be built again.
"""

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.clones import TARGETS, Clone, copy_project, jobs

pytestmark = [pytest.mark.xdist_group("staleness"), pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def built(built_project: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return built_project.copy(tmp_path_factory.mktemp("staleness") / "clone", results=True)


@pytest.fixture
def project(built: Clone):
    """The built clone; its sources are put back afterwards."""
    saved = built.root.parent / "saved"
    shutil.rmtree(saved, ignore_errors=True)
    for name in ("src", "conf"):
        shutil.copytree(built.root / name, saved / name)
    yield built
    for name in ("src", "conf"):
        shutil.rmtree(built.root / name)
        shutil.move(saved / name, built.root / name)
    assert built.planned(*TARGETS) == {}


def source(clone: Clone, *parts: str) -> Path:
    return clone.root.joinpath("src", "deepcredit", *parts)


def drawn(*figures: str) -> dict[str, int]:
    """The jobs that drawing these figures takes."""
    return {f"draw_{figure}": 1 for figure in figures}


def computed(planned: dict[str, int]) -> dict[str, int]:
    return {rule: count for rule, count in planned.items() if rule.startswith("compute_")}


def pictures(clone: Clone) -> dict[str, bytes]:
    folder = clone.root / "results" / "ci" / "figures"
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.*"))}


def test_a_second_build_has_nothing_to_do(project: Clone) -> None:
    assert project.planned(*TARGETS) == {}


def test_comments_and_docstrings_in_every_module_rebuild_nothing(project: Clone) -> None:
    for path in source(project).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "\n# a remark\n", encoding="utf-8")
    interference = source(project, "studies", "prospective", "figures", "prospective.py")
    text = interference.read_text(encoding="utf-8")
    interference.write_text(text.replace('"""', '"""Edited. ', 1), encoding="utf-8")
    assert project.planned(*TARGETS) == {}


def test_touching_every_source_file_rebuilds_nothing(project: Clone) -> None:
    later = time.time() + 5
    for path in [*source(project).rglob("*.py"), *(project.root / "conf").rglob("*.yaml"), project.root / "Snakefile"]:
        os.utime(path, (later, later))
    assert project.planned(*TARGETS) == {}


def test_editing_a_plotting_function_redraws_only_its_figure_and_computes_nothing(project: Clone) -> None:
    path = source(project, "studies", "prospective", "figures", "prospective.py")
    project.edit(path, "def interference(", "def interference(")
    text = path.read_text(encoding="utf-8")
    head, body = text.split("def interference(", 1)
    signature, rest = body.split(":\n", 1)
    path.write_text(f"{head}def interference({signature}:\n    unused = 1\n{rest}", encoding="utf-8")
    assert project.planned(*TARGETS) == drawn("interference")


def test_editing_the_style_sheet_redraws_everything_and_computes_nothing(project: Clone) -> None:
    project.edit(source(project, "figures", "deepcredit.mplstyle"), "lines.linewidth: 1.4", "lines.linewidth: 1.3")
    assert project.planned(*TARGETS) == drawn(*TARGETS)


def test_a_user_s_style_sheet_redraws_by_what_it_says_and_not_by_where_it_is(project: Clone) -> None:
    one, other = (project.root / name for name in ("one.mplstyle", "other.mplstyle"))
    for sheet in (one, other):
        sheet.write_text("figure.figsize: 3.5, 2.6\nfont.size: 6\n", encoding="utf-8")
    assert project.planned(*TARGETS, style=one.name) == drawn(*TARGETS)
    own = pictures(project)
    project.snakemake("interference", style=one.name)
    assert {name for name, content in pictures(project).items() if content != own[name]} == {
        f"prospective/interference.{suffix}" for suffix in ("csv", "pdf", "png")
    }
    assert project.planned("interference", style=other.name) == {}
    other.write_text("font.size: 7\n", encoding="utf-8")
    assert project.planned("interference", style=other.name) == drawn("interference")
    project.snakemake("interference")
    assert pictures(project) == own


def test_adding_a_depth_computes_one_cell_and_redraws_the_figures_that_read_it(project: Clone) -> None:
    path = project.root / "conf" / "experiment" / "target_alignment_depth.yaml"
    path.write_text(
        path.read_text(encoding="utf-8") + "scales: {ci: {keep: {model.num_layers: [2, 4, 15]}}}\n", "utf-8"
    )
    planned = project.planned(*TARGETS)
    assert computed(planned) == {"compute_target_alignment_depth": 1}
    assert planned == computed(planned) | drawn("target_alignment_depth", "target_alignment_init")


def test_editing_a_rule_makes_its_own_arrays_stale_and_no_others(project: Clone) -> None:
    for path in source(project, "rules", "target_propagation").glob("*.py"):
        path.write_text(path.read_text(encoding="utf-8") + "\nUNUSED = 1\n", encoding="utf-8")
    assert set(computed(project.planned(*TARGETS))) == {"compute_tp_linear", "compute_target_alignment_tp"}


def test_editing_a_rule_s_colour_redraws_the_figures_that_show_rules_and_computes_nothing(project: Clone) -> None:
    project.edit(source(project, "rules", "records", "bp.py"), "#000000", "#333333")
    assert project.planned(*TARGETS) == drawn(*(target for target in TARGETS if not target.startswith("dln")))


def test_deleting_an_array_rebuilds_it_and_only_the_figures_that_read_it(project: Clone) -> None:
    before_arrays, before_pictures = project.arrays(), pictures(project)
    (gone,) = (project.root / "results" / "store" / "interference").glob("*.nc")
    gone.unlink()
    done = project.snakemake(*TARGETS)
    assert jobs(done) == {"compute_interference": 1} | drawn("interference")
    assert project.arrays() == before_arrays
    assert pictures(project) == before_pictures


def test_undoing_an_edit_computes_nothing(project: Clone) -> None:
    path = project.root / "conf" / "experiment" / "interference.yaml"
    original = path.read_text(encoding="utf-8")
    project.edit(path, "lr: 0.2", "lr: 0.1")
    assert computed(jobs(project.snakemake(*TARGETS))) == {"compute_interference": 1}
    path.write_text(original, encoding="utf-8")
    assert jobs(project.snakemake(*TARGETS)) == drawn("interference")


def test_a_copied_store_is_used_as_it_is_and_two_builds_are_the_same_bytes(built: Clone, tmp_path: Path) -> None:
    other = built.copy(tmp_path / "other")
    shutil.copytree(built.root / "results" / "store", other.root / "results" / "store")
    done = other.snakemake(*TARGETS)
    assert computed(jobs(done)) == {}
    assert pictures(other) == pictures(built)


def test_two_builds_from_nothing_are_byte_identical(built: Clone, tmp_path: Path) -> None:
    other = copy_project(tmp_path / "again")
    other.snakemake(*TARGETS)
    again, first = other.arrays(), built.arrays()
    assert again == {name: first[name] for name in again}
    assert pictures(other) == pictures(built)
