"""Options of figures and claims fit the signatures of their functions, and what does not is one line before any work.

Expectations: the project's own configs, and small functions whose signatures say what they take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from deepcredit.config.binding import bind, bind_figure
from deepcredit.config.compose import figure_config, figure_names
from deepcredit.config.figure import Claim, Figure
from deepcredit.core.errors import UserError
from deepcredit.figures.base import Data, Role
from tests.clones import Clone

INTERFERENCE = ("conf", "figure", "prospective", "interference.yaml")


@pytest.mark.parametrize("name", figure_names())
def test_every_figure_and_claim_binds(name: str) -> None:
    config = figure_config(name)
    draw, claims = bind_figure(*name.split("/"), config)
    assert set(draw.options) == set(config.options)
    assert len(claims) == len(config.claims)


@dataclass(frozen=True)
class Panel:
    title: str
    roles: list[Role]


def drawn(data: Data, network: Any, *, panels: list[Panel], rate: Literal["data"] | Mapping[int, float] = "data",
          shown: int = 3) -> tuple[Any, ...]:  # fmt: skip
    """Returns what it is given."""
    return data, network, panels, rate, shown


ROLES = {"network": "deep_linear", "grid": "deep_linear_grid"}
PANELS = [{"title": "all", "roles": ["grid"]}]


def test_roles_are_given_as_arrays_and_options_as_the_signature_types_them() -> None:
    bound = bind(drawn, {"panels": PANELS, "rate": {"8": 1}}, ROLES, "figure f")
    data = {"network": [1], "grid": [2]}
    assert bound(data) == (data, [1], [Panel("all", ["grid"])], {8: 1.0}, 3)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"panels": PANELS, "show": 3}, "unknown option 'show' (did you mean 'shown'?); allowed: panels, rate,"),
    "missing": ({"shown": 3}, "panels is missing"),
    "type": ({"panels": PANELS, "shown": "many"}, "shown='many' is not valid; allowed: a valid integer"),
    "one of": ({"panels": PANELS, "rate": "best"}, "rate='best' is not valid; allowed: 'data' or a valid dictionary"),
    "inner value": ({"panels": PANELS, "rate": {"8": "x"}}, "rate.8='x' is not valid; allowed: a valid number"),
    "inner key": ({"panels": [{**PANELS[0], "role": "grid"}]}, "unknown option 'panels[1].role'"),
    "inner missing": ({"panels": [{"title": "all"}]}, "panels[1].roles is missing"),
    "role": (
        {"panels": [{"title": "all", "roles": ["gird"]}]},
        "panels[1].roles[1]='gird' is not valid; allowed: a role of this figure: network, grid",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_option_that_does_not_fit_is_one_line(case: str) -> None:
    options, told = WRONG[case]
    with pytest.raises(UserError) as error:
        bind(drawn, options, ROLES, "figure f")
    assert str(error.value).startswith(f"figure f: {told}")
    assert "\n" not in str(error.value)


def test_a_role_that_the_function_reads_must_be_among_the_experiments() -> None:
    with pytest.raises(UserError, match="figure f: needs the role 'network' among its experiments; it has grid"):
        bind(drawn, {"panels": PANELS}, {"grid": "deep_linear_grid"}, "figure f")


def figure(**changed: Any) -> Figure:
    settings: dict[str, Any] = {
        "title": "t",
        "caption": "c",
        "draw": "prospective.interference",
        "experiments": {"interference": "interference"},
        "options": {"levels": [0.1]},
    }
    return Figure(**settings | changed)


DIPS: dict[str, Any] = {"check": "second_output_dips", "text": "", "published": {"PC": 1.0}, "tolerance": 0.1}
CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "no such check": ({**DIPS, "check": "second_output_dip"}, "has no function 'second_output_dip' (did you mean"),
    "nothing published": ({**DIPS, "published": None}, "published is missing"),
    "no tolerance": ({**DIPS, "tolerance": None}, "tolerance is missing"),
    "published of another form": ({**DIPS, "published": 0.9}, "published=0.9 is not valid; allowed: a valid dict"),
    "a tolerance that nothing reads": ({"check": "pc_above_bp", "tolerance": 1.0}, "it takes no tolerance"),
    "beside": ({**DIPS, "options": {"tolerance": 1.0}}, "tolerance belongs beside `check`, not among the options"),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_a_claim_that_does_not_fit_is_named_with_its_figure(case: str) -> None:
    settings, told = CLAIMS[case]
    with pytest.raises(UserError) as error:
        bind_figure("prospective", "f", figure(claims=[Claim(**settings)]))
    assert str(error.value).startswith(f"figure f: claim 1 ({settings['check']}): ")
    assert told in str(error.value)


@pytest.mark.parametrize("draw", ["prospective.interferenc", "prospectiv.interference", "prospective.combine"])
def test_a_drawing_function_must_be_one_of_the_study(draw: str) -> None:
    with pytest.raises(UserError, match=r"^figure f: (draw='prospectiv\.|deepcredit\.studies.* has no function)"):
        bind_figure("prospective", "f", figure(draw=draw))


# --- before anything is computed ----------------------------------------------------------------------------------

TYPOS = {
    "of a figure": ("{levels:", "{level:", "figure interference: unknown option 'level' (did you mean 'levels'?)"),
    "of a claim": (
        "    tolerance: 0.005",
        "    options: {until: 3}\n    tolerance: 0.005",
        "figure interference: claim 1 (second_output_dips): unknown option 'until'; allowed: none",
    ),
}


@pytest.mark.parametrize("typo", TYPOS)
def test_a_typo_stops_every_build_in_one_line(clone: Clone, typo: str) -> None:
    old, new, told = TYPOS[typo]
    clone.edit(clone.root.joinpath(*INTERFERENCE), old, new)
    for command in (
        ("-m", "snakemake", "--cores", "1", "dln_modes", "--config", "scale=ci"),
        ("-m", "deepcredit", "draw", "dln_modes", "--scale", "ci"),
    ):
        done = clone.run(*command)
        assert done.returncode != 0
        assert told in done.stderr + done.stdout
        assert len([line for line in done.stderr.splitlines() if told in line]) == 1
    assert not built(clone.root)


def built(root: Path) -> list[Path]:
    return [path for path in (root / "results").rglob("*") if path.suffix in (".nc", ".png", ".csv", ".pdf")]


def test_the_check_is_made_again_where_a_signature_changed(clone: Clone) -> None:
    plan = ("-c", "from deepcredit.plan.plan import plan; plan('ci')")
    assert clone.run(*plan).returncode == 0
    drawing = clone.root / "src" / "deepcredit" / "studies" / "prospective" / "figures" / "prospective.py"
    clone.edit(drawing, "levels: list[float]) ->", "levels: list[str]) ->")
    told = clone.run(*plan).stderr.splitlines()[-1]
    assert "figure interference: levels[1]=0.005 is not valid; allowed: a valid string" in told


FIGURES = {
    "style: nowhere.mplstyle": "nowhere.mplstyle' is not valid; allowed: a matplotlib style sheet",
    "styl: my.mplstyle": "conf/figures.yaml: unknown setting styl (did you mean 'style'?); allowed: style",
    "style: [": "conf/figures.yaml: ",
}


def test_settings_of_all_figures_are_checked_first(clone: Clone) -> None:
    for text, told in FIGURES.items():
        (clone.root / "conf" / "figures.yaml").write_text(text + "\n", encoding="utf-8")
        done = clone.run("-m", "deepcredit", "list", "--scale", "ci")
        assert done.returncode == 2
        assert told in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_style_for_all_figures_is_that_of_a_build(clone: Clone) -> None:
    (clone.root / "my.mplstyle").write_text("font.size: 6\n", encoding="utf-8")
    script = (
        "from deepcredit.plan.plan import plan\n"
        "one, other = (plan('ci', style).by_id['dln_modes'] for style in (None, 'my.mplstyle'))\n"
        "print(one.fingerprint == other.fingerprint)"
    )
    assert clone.run("-c", script).stdout == "False\n"
    (clone.root / "conf" / "figures.yaml").write_text("style: my.mplstyle\n", encoding="utf-8")
    assert clone.run("-c", script).stdout == "True\n"
