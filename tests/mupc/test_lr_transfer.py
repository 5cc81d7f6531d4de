"""Maps over learning rates and the claim that they transfer, on losses made up so that the answers are known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import xarray as xr

from deepcredit.figures.base import NotTestable
from deepcredit.figures.cells import pick
from deepcredit.studies.mupc.figures import lr_transfer
from tests.mupc.cells import cell

WEIGHT, ACTIVITY = [0.1, 0.01], [1.0, 0.5, 0.1]


def mapped(losses: Sequence[Sequence[float]], stops: dict | None = None, **settings: object) -> xr.Dataset:
    """A cell whose lowest losses over [weight_lr, activity_lr] are `losses`."""
    lowest = np.array(losses)[None, :, :, None, None] * np.linspace(2, 1, 100)
    members = {"weight_lr": WEIGHT, "activity_lr": ACTIVITY}
    return cell([50.0], members=members, loss=lowest, stops=stops, every=100, **settings)


NARROW = [[0.2, 0.1, 0.3], [0.4, 0.4, 0.4]]


def test_best_setting_has_the_lowest_loss_of_any_batch() -> None:
    loss = lr_transfer.best_loss(pick([mapped(NARROW)]))
    assert loss.values == pytest.approx(np.array(NARROW))
    assert lr_transfer.best_setting(loss, "loss") == {"weight_lr": 0.1, "activity_lr": 0.5}
    assert lr_transfer.best_setting(-loss, "accuracy") == {"weight_lr": 0.1, "activity_lr": 0.5}


def test_a_stopped_run_counts_with_the_losses_until_its_stop() -> None:
    loss = lr_transfer.best_loss(pick([mapped(NARROW, stops={(0, 0, 1, 0): ("diverged", 1)})]))
    assert loss.sel(weight_lr=0.1, activity_lr=0.5).item() == pytest.approx(0.2)  # 2 · 0.1, its first batch


ASKED: dict[str, Any] = {"role": "mupc", "by": "width", "act_fns": ["relu"], "published": 0.1, "iterations": 100}


@pytest.mark.parametrize(("wide", "holds"), [([0.10, 0.12, 0.3], True), ([0.10, 0.13, 0.3], False)])
def test_transfer_is_the_cost_of_keeping_the_smallest_networks_rates(wide, holds) -> None:  # type: ignore[no-untyped-def]
    cells = [mapped([wide, [1, 1, 1]], width=512), mapped(NARROW, width=64)]
    found = lr_transfer.learning_rates_transfer({"mupc": cells}, **ASKED)
    assert found.holds is holds
    assert found.value["largest excess in decades"] == pytest.approx(np.log10(wide[1] / wide[0]))


def test_transfer_needs_two_sizes_and_training() -> None:
    with pytest.raises(NotTestable, match="two sizes"):
        lr_transfer.learning_rates_transfer({"mupc": [mapped(NARROW)]}, **ASKED)
    cells = [mapped(NARROW, width=64), mapped(NARROW, width=128)]
    with pytest.raises(NotTestable, match="needs 900 training iterations, this scale has 100"):
        lr_transfer.learning_rates_transfer({"mupc": cells}, **{**ASKED, "iterations": 900})


BLOCK = lr_transfer.Block("mupc", "μPC", "loss", by="width")


def test_table_has_every_setting_of_every_map_and_who_stopped() -> None:
    cells = [
        mapped(NARROW, {(0, 0, 0, 0): ("diverged", 5)}, width=n, act_fn=a)
        for n in (64, 128)
        for a in ("linear", "relu")
    ]
    _, table = lr_transfer.transfer_maps({"mupc": cells}, act_fns=["linear", "relu"], blocks=[BLOCK])
    assert len(table) == 2 * 2 * 6
    assert set(table[table.seeds_stopped > 0].activity_lr) == {1.0}
    across = lr_transfer.Block("mupc", "", "accuracy", across=True)
    _, table = lr_transfer.transfer_maps({"mupc": cells[:2]}, act_fns=["linear", "relu"], blocks=[across])
    assert set(table.value.dropna()) == {50}


def test_maps_have_room_where_no_run_stopped() -> None:
    cells = [mapped(NARROW, width=64), mapped(NARROW, width=128)]
    figure, _ = lr_transfer.transfer_maps({"mupc": cells}, act_fns=["relu"], blocks=[BLOCK])
    figure.draw_without_rendering()  # warns where panels collapse
    for part in figure.subfigs:
        assert all(ax.get_position().width > 0.05 for ax in part.axes[:2])
