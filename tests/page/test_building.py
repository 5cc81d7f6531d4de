"""How the page is built: when, from what, and that text stays text.

Expectations: "rebuilt when a figure changes, and only then"; HTML's rules of escaping.
"""

import json
import os
import time
import zlib
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest

from deepcredit.config.studies import studies
from deepcredit.core.words import shown
from deepcredit.figures.packing import packed
from deepcredit.page.page import _data
from tests.clones import Clone
from tests.page.browser import Browser
from tests.page.conftest import planned, rules, say

pytestmark = [pytest.mark.xdist_group("page"), pytest.mark.timeout(1200)]

EVIL = """<script>document.title = "broken"</script> & "quotes" </script>"""


def html(clone: Clone) -> str:
    return (clone.root / "results" / "ci" / "index.html").read_text(encoding="utf-8")


# --- when ---------------------------------------------------------------------------------------------------------


def test_a_second_build_and_touched_sources_build_nothing(project: Clone) -> None:
    assert planned(project) == set()
    later = time.time() + 5
    for path in [*(project.root / "src").rglob("*.py"), *(project.root / "conf").rglob("*.yaml")]:
        os.utime(path, (later, later))
        if path.suffix == ".py":
            path.write_text(path.read_text(encoding="utf-8") + "\n# a remark\n", encoding="utf-8")
    assert planned(project) == set()


def test_a_changed_figure_rebuilds_claims_and_page_and_no_other_figure(project: Clone) -> None:
    path = project.root / "conf" / "figure" / "prospective" / "interference.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("title: ", "title: Once more, ", 1), encoding="utf-8")
    assert planned(project) == {"draw_interference", "claims", "page"}
    assert rules(project.snakemake()) == {"draw_interference", "claims", "page"}
    assert "Once more, " in html(project)
    assert planned(project) == set()


def test_a_figure_built_alone_makes_the_page_stale(project: Clone) -> None:
    style = project.root / "src" / "deepcredit" / "figures" / "deepcredit.mplstyle"
    project.edit(style, "lines.linewidth: 1.4", "lines.linewidth: 1.9")
    project.snakemake("dln_rsm")
    assert {"claims", "page"} <= planned(project)


def test_a_changed_template_rebuilds_the_page_alone(project: Clone) -> None:
    template = project.root / "src" / "deepcredit" / "page" / "templates" / "page.css"
    template.write_text(template.read_text(encoding="utf-8") + "\n/* more */\n", encoding="utf-8")
    assert planned(project) == {"page"}


def test_building_the_page_starts_no_torch(project: Clone) -> None:
    check = (
        "import sys; from deepcredit.plan.plan import plan; from deepcredit.page.page import write_page\n"
        "write_page(plan('ci')); assert not {'torch', 'pytorch_lightning', 'matplotlib'} & set(sys.modules)"
    )
    done = project.run("-c", check)
    assert done.returncode == 0, done.stderr


def test_snakemake_s_own_report_has_captions_and_categories(project: Clone) -> None:
    project.snakemake("--report", "report.html")
    report = (project.root / "report.html").read_text(encoding="utf-8")
    assert "Target alignment and interference" in report
    assert "Backpropagation (BP) drags output 2" in report


# --- what it says -------------------------------------------------------------------------------------------------


def test_numbers_of_the_page_are_those_of_the_claims(built: Clone) -> None:
    claims = json.loads((built.root / "results" / "ci" / "claims.json").read_text(encoding="utf-8"))
    text = html(built)
    for claim in claims:
        if claim["measured"] is not None:
            assert f"<dd>{shown(claim['measured'])}</dd>" in text
    assert text.count('<li class="claim ') == len(claims)


def test_it_names_settings_commands_thinning_versions_and_fingerprints(built: Clone) -> None:
    text = html(built)
    assert "snakemake --cores 1 interference --config scale=ci" in text
    assert "deepcredit compute experiment=target_alignment_depth scale=paper model.num_layers=15" in text
    thinned = '<th scope="row"><code>grid.model.num_layers</code></th><td>2, 15</td>'
    assert f"{thinned}<td>1, 2, 4, 6, 8, 10, 12, 14, 15</td>" in text
    assert f"numpy {np.__version__}" in text
    drawn = built.root / "results" / "ci" / "drawn" / "saxe" / "dln_rsm.json"
    assert json.loads(drawn.read_text(encoding="utf-8"))["fingerprint"] in text


def test_representations_are_explored_without_the_grid_too(project: Clone, tab: Browser) -> None:
    for path in (project.root / "results" / "store" / "deep_linear_grid").iterdir():
        path.unlink()
    say(project, "page", "--scale", "ci")
    tab.size(1400, 1000)
    tab.open(project.root / "results" / "ci" / "index.html")
    assert tab.complaints() == []
    assert tab.evaluate("[...document.querySelectorAll('[data-explorer] input')].map(i => i.id)") == ["dln_rsm-epoch"]


def test_a_figure_that_is_not_drawn_is_shown_with_the_command_that_draws_it(project: Clone) -> None:
    (project.root / "results" / "ci" / "figures" / "saxe" / "dln_rsm.png").unlink()
    say(project, "page", "--scale", "ci")
    text = html(project)
    assert "<strong>3</strong> of 4" in text
    assert "Not drawn yet" in text


# --- text stays text ----------------------------------------------------------------------------------------------


def evil(clone: Clone) -> Path:
    """The page with markup in a title, a caption, the items of an explorer and a claim."""
    conf = clone.root / "conf" / "figure"
    quoted = json.dumps(EVIL)
    interference, rsm = conf / "prospective" / "interference.yaml", conf / "saxe" / "dln_rsm.yaml"
    interference.write_text(
        f"title: {quoted}\n" + interference.read_text(encoding="utf-8").split("\n", 1)[1], encoding="utf-8"
    )
    clone.edit(rsm, "Goldfish", quoted)
    clone.edit(rsm, "caption: >-\n", f"caption: >-\n  {EVIL}\n")
    claims = clone.root / "results" / "ci" / "claims" / "prospective" / "interference.json"
    answers = json.loads(claims.read_text(encoding="utf-8"))
    answers[0] |= {"claim": EVIL, "measured": {EVIL: 1}, "published": EVIL}
    claims.write_text(json.dumps(answers), encoding="utf-8")
    say(clone, "page", "--scale", "ci")
    return clone.root / "results" / "ci" / "index.html"


def test_markup_in_configs_is_escaped(project: Clone) -> None:
    text = evil(project).read_text(encoding="utf-8")
    assert "<script>document.title" not in text
    assert text.count("<script") == 3
    assert text.count("</script") == 3


def test_markup_in_configs_is_text_in_the_browser(project: Clone, tab: Browser) -> None:
    tab.size(1400, 1000)
    tab.open(evil(project))
    assert tab.complaints() == []
    assert tab.evaluate("document.title") != "broken"
    assert tab.evaluate("document.querySelector('#interference h3').textContent") == EVIL
    assert EVIL in tab.evaluate("document.querySelector('#dln_rsm figcaption').textContent")
    assert EVIL in tab.evaluate("document.querySelector('[data-explorer=dln_rsm]').textContent")


def test_data_cannot_end_the_element_that_they_are_in() -> None:
    assert "<" not in _data({"x": "</script><!--"})
    assert json.loads(str(_data({"x": "</script> & <!--"}))) == {"x": "</script> & <!--"}


# --- parts --------------------------------------------------------------------------------------------------------


def unpacked(found: dict) -> np.ndarray:
    """What the page's script makes of packed numbers, written down from the format's definition."""
    planes = np.frombuffer(zlib.decompress(b64decode(found["data"])), np.uint8).astype(np.int64)
    size, top = int(np.prod(found["shape"])), 2 ** found["bits"] - 1
    steps = planes[:size] + (256 * planes[size:] if found["bits"] == 16 else 0)
    whole = np.cumsum(steps.reshape(found["shape"]), axis=-1) % (top + 1)
    return found["low"] + (found["high"] - found["low"]) * whole / top


@pytest.mark.parametrize("bits", [8, 16])
def test_packed_numbers_come_back_to_half_a_step(bits: int) -> None:
    values = np.random.default_rng(0).uniform(-3, 2, (4, 3, 50))
    found = unpacked(packed(values, -3.0, 2.0, bits))
    assert np.abs(found - values).max() <= 5.0 / (2**bits - 1) / 2 * (1 + 1e-9)


def test_packed_numbers_outside_the_range_are_at_its_ends() -> None:
    found = unpacked(packed(np.array([[-9.0, 9.0, np.nan, np.inf, -np.inf, 0.0]]), 0.0, 1.0, 8))
    assert found.tolist() == [[0.0, 1.0, 1.0, 1.0, 0.0, 0.0]]


SHOWN = {
    "1.0": (1.0, "1"),
    "small": (0.000123456, "0.0001235"),
    "tiny": (-1e-12, "−1e−12"),
    "not a number": (float("nan"), "nan"),
    "list": ([1.0, 0.5], "1, 0.5"),
    "mapping": ({"PC": 0.25, "BP": [1, 2]}, "PC 0.25; BP 1, 2"),
    "whole": (1482555873, "1482555873"),
    "yes": (True, "yes"),
}


@pytest.mark.parametrize("case", SHOWN)
def test_values_are_shown_as_a_reader_expects(case: str) -> None:
    value, expected = SHOWN[case]
    assert shown(value) == expected


def test_every_study_has_a_title_and_a_source() -> None:
    assert all(study.title and study.source for study in studies().values())
