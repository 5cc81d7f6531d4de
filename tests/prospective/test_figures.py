"""Tables and claims of this group's figures, on arrays made up so that the answers are known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import xarray as xr

from deepcredit.figures.base import NotTestable
from deepcredit.studies.prospective.figures import prospective

Values = Mapping[str, list[float]]


def cell(num_layers: int, values: Values, overshoot: list[float] | None = None) -> xr.Dataset:
    """A cell as it lies in the store: rule → one value a seed."""
    seeds = list(range(len(next(iter(values.values())))))
    return xr.Dataset(
        {
            "target_alignment": (
                ("rule", "act_fn", "weight_lr", "seed"),
                np.array([*values.values()])[:, None, None],
            ),
            "overshoot": (("weight_lr", "seed"), [overshoot or [np.nan] * len(seeds)]),
        },
        coords={"rule": [*values], "act_fn": ["linear"], "weight_lr": [0.1], "seed": seeds, "num_layers": num_layers},
    )


@pytest.fixture
def data() -> dict[str, list[xr.Dataset]]:
    deep = [cell(2, {"pc": [0.9, 0.7], "bp": [0.5, 0.3]}), cell(9, {"pc": [0.8, 1.0], "bp": [0.6, 0.4]})]
    propagated = [cell(1, {"tp": [1.0, 1.0]}, [0, 0]), cell(4, {"tp": [1.0, -1.0]}, [0.5, 3.0])]
    return {"depth": [cell(1, {"pc": [1.0, 1.0], "bp": [1.0, 1.0]}), *deep], "tp": propagated}


def test_table_has_every_seed_and_the_mean_and_error_drawn(data) -> None:  # type: ignore[no-untyped-def]
    panels = [prospective.Panel("both", ["depth", "tp"])]
    figure, table = prospective.alignment_vs_depth(data, panels=panels, ylim=(-0.4, 1.1), legend="best")
    assert len(table) == (3 + 3 + 2) * (2 + 1 + 1)
    at_two = table[(table.rule == "PC") & (table.num_layers == 2)].set_index("statistic").target_alignment
    assert sorted(at_two["seed"]) == [0.7, 0.9]
    assert at_two["mean"] == pytest.approx(0.8)
    assert at_two["standard error"] == pytest.approx(0.1)  # (0.2/√2)/√2
    assert [text.get_text() for text in figure.axes[0].texts] == ["one seed at −1"]


def test_panels_select_members_and_refuse_what_is_absent(data) -> None:  # type: ignore[no-untyped-def]
    panel = prospective.Panel("first", ["depth"], {"seed": [0], "weight_lr": 0.1})
    _, table = prospective.alignment_vs_depth(data, panels=[panel, panel], ylim=(0, 1), legend="best")
    assert set(table.seed.dropna()) == {0}
    assert set(table.panel) == {"first"}
    with pytest.raises(NotTestable, match="weight_lr = 7"):
        prospective.alignment(data["depth"], weight_lr=7)


def test_scatter_gives_alignment_and_angle_of_every_member(data) -> None:  # type: ignore[no-untyped-def]
    _, table = prospective.alignment_scatter(data["depth"], shift=0.1)
    members = table[table.statistic == "seed"]
    assert len(members) == 12
    assert np.cos(np.radians(members.angle_degrees)).to_numpy() == pytest.approx(members.target_alignment.to_numpy())
    assert len(table) == 12 + 6


def test_pc_above_bp_takes_the_smallest_gap_of_means_from_two_layers_on(data) -> None:  # type: ignore[no-untyped-def]
    found = prospective.pc_above_bp(data, role="depth")
    assert found.holds
    assert found.value == {"smallest gap": pytest.approx(0.4), "at layers": 2}
    worse = {"depth": [*data["depth"], cell(3, {"pc": [0.2, 0.2], "bp": [0.2, 0.3]})]}
    assert not prospective.pc_above_bp(worse, role="depth").holds


@pytest.mark.parametrize(("bounds", "holds"), [((0.55, 0.85), True), ((0.45, 0.85), False), ((0.55, 0.95), False)])
def test_depth_claim_needs_both_sides(data, bounds, holds) -> None:  # type: ignore[no-untyped-def]
    published = dict(zip(("BP", "PC"), bounds, strict=True))
    found = prospective.bp_falls_pc_stays(data, role="depth", num_layers=9, published=published)
    assert found.holds is holds


def test_depth_claim_is_not_testable_without_its_depth(data) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotTestable, match="num_layers = 15"):
        prospective.bp_falls_pc_stays(data, role="depth", num_layers=15, published={"BP": 1, "PC": 0})


@pytest.mark.parametrize(("published", "holds"), [([0.8, 0.901], True), ([0.8, 0.903], False), ([0.797, 0.9], False)])
def test_published_means_are_compared_depth_by_depth(data, published, holds) -> None:  # type: ignore[no-untyped-def]
    found = prospective.published_means(
        data, role="depth", rule="pc", num_layers=[2, 9], published=published, tolerance=0.002
    )
    assert found.holds is holds


def test_bounds_on_means_and_on_members(data) -> None:  # type: ignore[no-untyped-def]
    assert prospective.means_at_least(data, role="depth", published=0.4).holds
    assert not prospective.members_at_least(data, role="depth", published=0.4).holds
    lowest = prospective.members_at_least(data, role="depth", published=0.3)
    assert lowest.holds
    assert lowest.value == {"smallest": 0.3, "at num_layers": 2, "at rule": "BP", "at seed": 1}
    assert prospective.means_at_least(data, role="depth", published=0.41, tolerance=0.02).holds


def test_target_propagation_is_judged_where_it_cannot_overshoot(data) -> None:  # type: ignore[no-untyped-def]
    asked: dict[str, Any] = {"role": "tp", "published": 1.0, "tolerance": 1e-5}
    found = prospective.tp_exact_where_conditioned(data, **asked)
    assert found.holds
    assert found.value["well conditioned"] == 1
    wrong = {"tp": [cell(4, {"tp": [0.9, 1.0]}, [0.5, 0.1])]}
    assert not prospective.tp_exact_where_conditioned(wrong, **asked).holds
    with pytest.raises(NotTestable, match="no member"):
        prospective.tp_exact_where_conditioned({"tp": [cell(4, {"tp": [1.0, 1.0]}, [2, 2])]}, **asked)


def trajectory(second: list[float]) -> list[xr.Dataset]:
    values = np.stack([np.linspace(1, 0, len(second)), second], -1)[None]
    coords = {"rule": ["pc"], "step": range(len(second)), "output": [1, 2]}
    return [xr.Dataset({"prediction": (("rule", "step", "output"), values)}, coords=coords)]


def test_dip_is_the_lowest_value_of_the_second_output() -> None:
    asked: dict[str, Any] = {"published": {"PC": 0.93}, "tolerance": 0.005}
    assert prospective.second_output_dips(trajectory([1, 0.932, 0.97]), **asked).holds
    assert not prospective.second_output_dips(trajectory([1, 0.94, 0.97]), **asked).holds
    with pytest.raises(NotTestable, match="more learning steps"):
        prospective.second_output_dips(trajectory([1, 0.95, 0.93]), **asked)
