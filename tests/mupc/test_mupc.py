"""Panels, tables and claims of the training figures, on cells made up so that the answers are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepcredit.data.datasets import Content
from deepcredit.figures.base import Measured, NotTestable
from deepcredit.rules.rule import RULES
from deepcredit.studies.mupc.figures import mupc, mupc_sweeps
from deepcredit.studies.mupc.figures.mupc import Panel, RulesPanel, Runs
from tests.mupc.cells import cell

RATES = {"linear": 1, "tanh": 1, "relu": 0.5}


def by_depth(accuracies: dict[int, Any], **kwargs: Any) -> list:
    return [cell(values, n_hidden=depth, **kwargs) for depth, values in accuracies.items()]


def test_families_draw_one_curve_a_value_at_the_rate_asked_for() -> None:
    accuracy = np.array([80.0, 90.0])[:, None, None]
    cells = by_depth({8: accuracy, 32: accuracy - 5}, members={"activity_lr": [0.5, 1.0]}, act_fn="relu")
    panels = [Panel("relu", {"act_fn": "relu"})]
    _, table = mupc.families({"mupc": cells}, role="mupc", by="n_hidden", panels=panels, activity_lr=RATES)
    means = table[table.statistic == "mean"].set_index("n_hidden").value
    assert means.to_dict() == {8: 80, 32: 75}
    _, table = mupc.families({"mupc": cells}, role="mupc", by="n_hidden", panels=panels, activity_lr="data")
    assert table[table.statistic == "mean"].activity_lr.tolist() == [1, 1]


#: settings of a cell → iterations of an epoch: images to learn from over the batch size, rounded down
EPOCHS = {
    "mnist": ({"dataset": "mnist"}, 60_000 // 64),
    "other batches": ({"dataset": "fashion_mnist", "batch_size": 100}, 600),
    "own file": ({"dataset": "npz", "batch_size": 10, "content": vars(Content(205, 50, 6, 3, "abc"))}, 20),
}


@pytest.mark.parametrize("settings", EPOCHS)
def test_iterations_become_epochs(settings: str) -> None:
    own, per_epoch = EPOCHS[settings]
    panels = [Panel("", {}, epochs=True)]
    cells = [cell([50.0, 60.0], every=per_epoch, **own)]
    figure, _ = mupc.families({"r": cells}, role="r", by="n_hidden", panels=panels)
    assert figure.axes[0].lines[0].get_xdata().tolist() == [1, 2]


def test_sweep_has_a_panel_for_every_depth_and_activation() -> None:
    cells = [cell([50.0], act_fn=a, n_hidden=h) for a in ("linear", "relu") for h in (8, 16, 32)]
    figure, table = mupc.sweep_by_depth({"mupc": cells}, role="mupc", by="activity_lr", act_fns=["linear", "relu"])
    assert len(figure.axes) == 6
    assert set(table.activity_lr) == {0.5}


def sweep(act_fn: str, depth: int, finals: list[float]) -> Any:
    values = np.array(finals)[None, None, :, None, None]
    return cell(values, members={"activity_lr": [0.5, 0.05]}, act_fn=act_fn, n_hidden=depth)


def test_rate_sweep_takes_the_best_rate_from_the_data_or_the_source() -> None:
    cells = [sweep("relu", 8, [80, 90]), sweep("relu", 16, [70, 60]), sweep("linear", 8, [50, 40])]
    published = {"mnist": {"linear": {8: 0.5, 16: 0.5}, "relu": {8: 0.5, 16: 0.05}}}
    rows = mupc_sweeps.sweep_rows(cells, "data", published)
    assert [(r.act_fn, dict(r.rates)) for r in rows] == [("linear", {8: 0.5}), ("relu", {8: 0.05, 16: 0.5})]
    rows = mupc_sweeps.sweep_rows(cells, "published", published)
    assert dict(rows[1].rates) == {8: 0.5, 16: 0.05}
    figure, table = mupc_sweeps.rate_sweep(cells, best="data", published=published)
    assert sum(ax.axison for ax in figure.axes) == 2 * (2 + 2) - 1  # no linear network of 16 layers
    best = table[(table.panel == "best test_accuracy") & (table.statistic == "mean")]
    assert sorted(best.value) == [50, 70, 90]


def test_activity_decay_shows_the_best_accuracy_of_every_decay() -> None:
    accuracy = np.array([[60.0, 50.0], [30.0, 40.0]])[None, None, None]
    halted = {(0, 0, 0, 1): ("no learning", 300)}
    decay = cell(accuracy, members={"activity_decay": [0.1, 1.0]}, act_fn="linear", stops=halted)
    none = cell([70.0, 75.0], act_fn="linear")
    _, table = mupc_sweeps.activity_decay([decay], [none], where={"act_fn": "linear"})
    assert table.set_index("activity_decay").best_test_accuracy.to_dict() == {1.0: 30, 0.1: 60, 0.0: 75}
    assert table.set_index("activity_decay").stopped.to_dict() == {1.0: True, 0.1: False, 0.0: False}


def three_rules(mupc_finals: list[float], pc_finals: list[float], **pc: Any) -> dict[str, list]:
    act_fns = ("relu", "linear", "tanh")
    of = lambda finals, **k: [  # noqa: E731
        cell([v], act_fn=a, n_hidden=8 * 4**i, **k) for a in act_fns for i, v in enumerate(finals)
    ]
    return {"mupc": of(mupc_finals), "pc": of(pc_finals, **pc), "bp": [cell([97.0], act_fn=a) for a in act_fns]}


def test_main_figure_has_every_rule_depth_and_activation() -> None:
    cells = three_rules([95, 94], [80, 70])
    figure, table = mupc.mupc_vs_pc(**cells, act_fns=("relu", "linear", "tanh"), activity_lr=RATES)
    means = table[table.statistic == "mean"]
    assert len(means) == 3 * (2 + 2 + 1)
    relu = figure.axes[0]
    assert [line.get_linestyle() for line in relu.lines] == ["--", "--", "-", "-", "--"]
    assert relu.lines[-1].get_color() == RULES["bp"].color


RELU = Runs(iterations=300, where={"act_fn": "relu"}, activity_lr=RATES)


def lead(data: dict[str, list]) -> Measured:
    return mupc.mupc_above_pc(data["mupc"], data["pc"], runs=RELU)


def test_mupc_above_pc_needs_it_at_every_depth() -> None:
    found = lead(three_rules([95, 94], [80, 93]))
    assert found.holds
    assert found.value == {"smallest lead in points": 1, "at H": 32}
    assert not lead(three_rules([95, 94], [80, 95])).holds


def test_mupc_above_pc_lists_depths_at_which_pc_has_no_accuracy() -> None:
    data = three_rules([95, 94], [80, 70])
    data["pc"][1] = cell([50.0], act_fn="relu", n_hidden=32, stops={(0, 0, 0, 0): ("diverged", 3)})
    found = lead(data)
    assert found.holds
    assert found.value["without a test accuracy of PC, which diverged, at H"] == [32]


def at_chance(data: dict[str, list], from_depth: int) -> Measured:
    return mupc.pc_at_chance(data, role="pc", runs=RELU, from_depth=from_depth, published=10, tolerance=5)


@pytest.mark.parametrize(("pc", "holds"), [([99, 12], True), ([99, 15.5], False)])
def test_pc_at_chance_is_about_the_deep_networks(pc, holds) -> None:  # type: ignore[no-untyped-def]
    assert at_chance(three_rules([95, 94], pc), from_depth=32).holds is holds


def test_pc_that_diverged_does_not_learn() -> None:
    deep = cell([50.0], n_hidden=64, stops={(0, 0, 0, 0): ("diverged", 3)})
    found = at_chance({"pc": [deep]}, from_depth=64)
    assert found.holds
    assert found.value["H = 64"]["seeds that diverged"] == 1
    with pytest.raises(NotTestable, match="at least 64"):
        at_chance({"pc": [cell([10.0], n_hidden=8)]}, from_depth=64)


WIDE = Runs(iterations=600, where={"act_fn": "relu", "width": 512})
DEPTHS: dict[str, Any] = {"role": "mupc", "runs": WIDE, "n_hidden": [8, 16]}


def test_accuracy_and_spread_over_depth_at_one_iteration() -> None:
    data = {"mupc": by_depth({8: [90.0, 96.0, 50.0], 16: [90.0, 95.0, 97.0]})}
    assert mupc.accurate_at_every_depth(data, published=95, **DEPTHS).holds
    assert not mupc.accurate_at_every_depth(data, published=95.5, **DEPTHS).holds
    assert mupc.spread_over_depth(data, published=2, **DEPTHS).value == pytest.approx(1)
    assert not mupc.spread_over_depth(data, published=1, **DEPTHS).holds


def test_a_stopped_run_fails_a_claim_about_accuracy() -> None:
    stopped = cell([90.0, 96.0], n_hidden=16, stops={(0, 0, 0, 0): ("diverged", 350)})
    data = {"mupc": [*by_depth({8: [90.0, 96.0]}), stopped]}
    assert not mupc.accurate_at_every_depth(data, published=95, **DEPTHS).holds
    assert not mupc.spread_over_depth(data, published=2, **DEPTHS).holds


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"width": 64}, "width = 512"),
        ({"n_hidden": 4}, "n_hidden = 8"),
        ({"every": 200}, "600"),
        ({"every": 250}, "600"),
    ],
)
def test_claims_are_not_testable_on_another_grid(settings, missing) -> None:  # type: ignore[no-untyped-def]
    data = {"mupc": [cell([90.0, 96.0, 96.0][: 2 if "every" in settings else 3], **{"n_hidden": 8, **settings})]}
    with pytest.raises(NotTestable, match=missing):
        mupc.accurate_at_every_depth(data, published=95, role="mupc", runs=WIDE, n_hidden=[8])


def test_reference_is_the_mean_over_the_seeds_that_ran() -> None:
    accuracy = np.array([91.0, 92.0, 99.0])[:, None, None, None, None]
    data = {"mupc": [cell(accuracy, members={"seed": [0, 1, 2]}, width=128)]}
    asked: dict[str, Any] = {"role": "mupc", "runs": replace(RELU, where={"act_fn": "relu", "width": 128})}
    assert mupc.reference_accuracy(data, **asked, published=91.6, tolerance=0.2, seed=[0, 1]).value == 91.5
    assert not mupc.reference_accuracy(data, **asked, published=91.6, tolerance=0.05, seed=[0, 1]).holds
    assert mupc.reference_accuracy(data, **asked, published=92, tolerance=0.1, seed=[1, 7]).holds
    with pytest.raises(NotTestable, match="seed"):
        mupc.reference_accuracy(data, **asked, published=92, tolerance=0.1, seed=[7])


@pytest.mark.parametrize(("accuracies", "rises"), [([80, 85, 90], True), ([80, 91, 90], False)])
def test_wider_is_better_wants_every_step_to_help(accuracies, rises) -> None:  # type: ignore[no-untyped-def]
    widths = (64, 128, 512)
    cells = [cell([10.0, a], width=n, loss=1 / a) for n, a in zip(widths, accuracies, strict=True)]
    asked: dict[str, Any] = {"role": "mupc", "runs": replace(RELU, iterations=100), "batches": 50}
    by_accuracy = mupc.wider_is_better({"mupc": cells}, quantity="accuracy", **asked)
    assert by_accuracy.holds is rises
    assert by_accuracy.value == dict(zip(widths, accuracies, strict=True))
    assert mupc.wider_is_better({"mupc": cells}, quantity="loss", **asked).holds is rises
    with pytest.raises(NotTestable, match="two widths"):
        mupc.wider_is_better({"mupc": cells[:1]}, quantity="loss", **asked)


@pytest.mark.parametrize(("bp", "holds"), [(96.5, True), (97.5, False), (94.5, False)])
def test_mupc_near_bp_in_either_direction(bp, holds) -> None:  # type: ignore[no-untyped-def]
    data = {"mupc": [cell([96.0], n_hidden=128)], "bp": [cell([bp], n_hidden=128)]}
    found = mupc.mupc_near_bp(data, roles={"μPC": "mupc", "BP": "bp"}, runs=RELU, n_hidden=128, published=1)
    assert found.holds is holds


def test_rules_at_depth_draws_each_rule_once_a_panel() -> None:
    roles = {"BP": "bp", "PC": "pc", "μPC": "mupc"}
    panels = [RulesPanel(title, {"act_fn": "relu"}, roles, title != "MNIST") for title in ("MNIST", "Fashion-MNIST")]
    data = {role: [cell([value], every=900)] for role, value in (("bp", 97.0), ("pc", 10.0), ("mupc", 96.0))}
    _, table = mupc.rules_at_depth(data, panels=panels)
    means = table[table.statistic == "mean"]
    assert means[means.panel == "MNIST"].set_index("rule").value.to_dict() == {"BP": 97, "PC": 10, "μPC": 96}
