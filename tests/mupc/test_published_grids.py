"""The figures of trainings on their published grids, with made-up numbers in place of weeks of work: all is drawn.

Expectations: the panels that the catalogue lists. A drawing that has no room for a panel warns.
"""

import contextlib
import io

import matplotlib.style
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from deepcredit.config.binding import bind_figure
from deepcredit.config.cells import cells_of
from deepcredit.config.compose import figure_config, figure_names
from deepcredit.figures.base import NotTestable
from deepcredit.figures.style import STYLE_SHEET
from deepcredit.studies.mupc.schemas.pc_training import PcTraining
from tests.mupc.cells import cell

N_TESTS = 3


def made_up(experiment: str) -> list[xr.Dataset]:
    """A dataset for every published cell: accuracies that rise, and of relu networks one seed that stops."""
    found = []
    for position, planned in enumerate(cells_of(experiment, "paper")):
        config = planned.config
        assert isinstance(config, PcTraining)
        members = {
            "seed": config.seed,
            "weight_lr": config.optimizer.lr,
            "activity_lr": config.inference.lr,
            "activity_decay": config.inference.activity_decay,
        }
        shape = [len(values) for values in members.values()]
        accuracy = 20 + 70 * np.random.default_rng(position).random((*shape, N_TESTS))
        stops = {(0, 0, 0, 0): ("diverged", 2)} if config.model.act_fn == "relu" else {}
        found.append(
            cell(
                np.sort(accuracy, -1),
                members=members,
                loss=np.linspace(1, 0.1, N_TESTS),
                stops=stops,
                every=1,
                act_fn=config.model.act_fn,
                n_hidden=config.model.n_hidden,
                width=config.model.width,
                parameterisation=config.model.parameterisation.value,
                max_t=config.inference.steps(config.model.n_hidden),
                dataset=config.data.dataset,
                epochs=config.data.epochs,
            )
        )
    return found


def of_trainings(name: str) -> bool:
    kinds = {cells_of(experiment, "paper")[0].kind for experiment in figure_config(name).experiments.values()}
    return kinds == {"pc_training"}


FIGURES = [name for name in figure_names() if name.startswith("mupc/") and of_trainings(name)]


def panels(figure: Figure) -> int:
    """Axes with something on them."""
    return sum(bool(ax.axison and ax.has_data()) for ax in figure.get_axes())


#: panels that the catalogue lists: curves by rate and depth, with the two of the best rates; maps; families of curves
PANELS = {
    "pc_gd": 6 * 5,
    "pc_adam": 6 * 5,
    "pc_skips": 6 * 5,
    "pc_orthogonal": 4 * 7 + 2 * 5,
    "activity_decay": 3,
    "mupc_condition": 3,
    "mupc_activity_lr": 15,
    "mupc_width": 3,
    "mupc_depth": 3,
    "mupc_mnist_5_epochs": 1,
    "mupc_fashion_15_epochs": 1,
    "pc_depth": 3,
    "bp_depth_mup": 5,
    "mupc_vs_pc": 3,
    "mupc_vs_pc_vs_bp_128": 2,
    "lr_transfer_width": 15,
    "lr_transfer_depth": 3 * 5 + 3 * 4,
    "lr_transfer_fashion": 6,
}


def test_every_figure_of_trainings_is_in_the_list() -> None:
    assert {name.split("/")[1] for name in FIGURES} == set(PANELS)


@pytest.mark.parametrize("name", FIGURES)
def test_the_published_grid_fills_every_panel(name: str) -> None:
    config = figure_config(name)
    data = {role: made_up(experiment) for role, experiment in config.experiments.items()}
    draw, claims = bind_figure("mupc", name, config)
    with matplotlib.style.context(STYLE_SHEET):
        figure, table = draw(data)
        figure.savefig(io.BytesIO(), format="png")
    colour_bars = sum(ax.get_label() == "<colorbar>" for ax in figure.get_axes())
    assert panels(figure) - colour_bars == PANELS[name.split("/")[1]]
    assert len(table)
    for claim in claims:
        # all but the length of the training is as published
        with (
            contextlib.suppress(NotTestable) if {"runs", "iterations"} & {*claim.options} else contextlib.nullcontext()
        ):
            claim(data)
