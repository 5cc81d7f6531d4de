"""Figures of Innocenti, Achour & Buckley (2025), μPC: how far the energy at equilibrium is from the loss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.figures.base import Cells, Data, Measured, NotTestable, Role
from deepcredit.figures.cells import having, only, require
from deepcredit.figures.drawing import family, new_figure, text_size
from deepcredit.figures.numbers import number
from deepcredit.figures.style import PAGE
from deepcredit.figures.tables import tidy

NAMES = {"mupc": "μPC", "sp": "SP"}

#: colour map of ratios
RATIO_COLORS = "inferno"

#: what stands for all seeds
SUMMARIES = {"mean": np.mean, "median": np.median}


# --- ratio over depth and width -----------------------------------------------------------------------------------


def ratio_of(cells: Cells, parameterisation: str, over_seeds: Literal["mean", "median"] = "mean") -> xr.DataArray:
    """Loss over energy, mean (or median) over seeds, over (n_hidden, width, step)."""
    found = sorted(having(cells, parameterisation=parameterisation), key=lambda cell: int(cell.n_hidden))
    ratios = [cell.ratio.reduce(SUMMARIES[over_seeds], "seed") for cell in found]
    return xr.concat(ratios, "n_hidden", coords="minimal", compat="override")


def ratio_phase(
    ratio: Cells, *, times: list[int], largest: Mapping[str, float], printed: list[str]
) -> tuple[Figure, pd.DataFrame]:
    """Maps of loss / F* over depth and width at several iterations, two rows of panels for each parameterisation.

    Colours run from 1 to what is `largest` of a parameterisation; of those `printed`, the values are written as well.
    """
    figure = new_figure(PAGE, 1.75 * 4 + 0.4)
    axes = figure.subplots(4, len(times) // 2, sharex=True, sharey=True)
    tables = []
    for top, parameterisation in ((0, "mupc"), (2, "sp")):
        found, panels = ratio_of(ratio, parameterisation), axes[top : top + 2].ravel()
        norm = LogNorm(1, largest[parameterisation])
        for ax, time in zip(panels, times, strict=True):
            ax.set_title(f"{NAMES[parameterisation]}, $t = {time}$")
            _ratio_map(ax, found, time, norm, printed=parameterisation in printed)
        shades = matplotlib.cm.ScalarMappable(norm, RATIO_COLORS)
        figure.colorbar(shades, ax=list(panels), label=r"loss / $\mathcal{F}^*$", pad=0.01, extend="max")
        reached = found.sel(step=[t for t in times if t in found.step.values])
        tables.append(tidy(reached, "ratio", parameterisation=parameterisation))
    for ax in axes[:, 0]:
        ax.set_ylabel("width $N$")
    for ax in axes[-1]:
        ax.set_xlabel("hidden layers $H$")
    table = pd.concat(tables, ignore_index=True)
    return figure, table[["parameterisation", "step", "n_hidden", "width", "ratio"]]


def _ratio_map(ax: Axes, ratio: xr.DataArray, time: int, norm: LogNorm, printed: bool) -> None:
    ax.set_xticks(range(ratio.sizes["n_hidden"]), [str(h) for h in ratio.n_hidden.values])
    ax.set_yticks(range(ratio.sizes["width"]), [str(n) for n in ratio.width.values])
    ax.tick_params(labelsize="x-small")
    if time not in ratio.step.values:
        ax.set(xlim=(-0.5, ratio.sizes["n_hidden"] - 0.5), ylim=(-0.5, ratio.sizes["width"] - 0.5))
        ax.text(0.5, 0.5, "not reached\nat this scale", transform=ax.transAxes, ha="center", va="center", color="0.5")
        return
    values = ratio.sel(step=time).transpose("width", "n_hidden").values
    ax.imshow(np.maximum(values, 1), norm=norm, cmap=RATIO_COLORS, origin="lower", aspect="auto")
    for (row, column), value in np.ndenumerate(values if printed else np.empty((0, 0))):
        text, bright = number(value, ".2f" if value < 99.5 else ".0f"), norm(max(value, 1)) > 0.6
        look: dict[str, Any] = {"fontsize": text_size(0.45), "color": "0.1" if bright else "white"}
        ax.text(column, row, text, ha="center", va="center", **look)


# --- one depth, over width ----------------------------------------------------------------------------------------

#: rows of the figure: what is drawn for every width, and how its axis is called
ROWS = {"energy": r"$\mathcal{F}^*$ (and loss, widest)", "loss": "loss", "ratio": r"loss / $\mathcal{F}^*$"}


def convergence(linear: Cells, nonlinear: Cells, *, widths: list[int]) -> tuple[Figure, pd.DataFrame]:
    """Energy with the widest network's loss, loss, and ratio over training; a column for each φ and scaling."""
    wanted = [(a, p) for p in ("mupc", "sp") for a in ("linear", "tanh", "relu")]
    figure = new_figure(1.45 * PAGE, 5.2)
    axes = figure.subplots(len(ROWS), len(wanted), sharex=False, squeeze=False)
    there = {int(n) for cell in (*linear, *nonlinear) for n in cell.width.values}
    colors = family(sorted(there & set(widths)))
    tables = []
    for column, (act_fn, parameterisation) in zip(axes.T, wanted, strict=True):
        cell = _network(linear, nonlinear, act_fn, parameterisation)
        drawn = cell.mean("seed").sel(width=[n for n in colors if n in cell.width.values])
        _column(column, drawn, colors)
        column[0].set_title(f"{NAMES[parameterisation]}, {act_fn}")
        table = drawn[[*ROWS, "inference_steps", "gradient_norm"]].to_dataframe().reset_index()
        tables.append(table.assign(act_fn=act_fn, parameterisation=parameterisation))
    for ax, name in zip(axes[:, 0], ROWS.values(), strict=True):
        ax.set_ylabel(name)
    handles = [Line2D([], [], color=color, label=f"$N = {n}$") for n, color in colors.items()]
    handles.append(Line2D([], [], color=LOSS_COLOR, linewidth=0.8, linestyle="--", label="loss, widest network"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    table = pd.concat(tables, ignore_index=True)
    return figure, table[["parameterisation", "act_fn", "width", "step", *ROWS, "inference_steps", "gradient_norm"]]


def _network(linear: Cells, nonlinear: Cells, act_fn: str, parameterisation: str) -> xr.Dataset:
    if act_fn == "linear":
        return only(linear, parameterisation=parameterisation)
    return only(nonlinear, act_fn=act_fn, parameterisation=parameterisation)


LOSS_COLOR = "#D55E00"

#: values that differ by more than this factor are drawn on a log scale
LOG_FROM = 30


def _column(axes: Sequence[Axes], cell: xr.Dataset, colors: Mapping[int, Any]) -> None:
    for ax, name in zip(axes, ROWS, strict=True):
        for width in cell.width.values:
            values = cell[name].sel(width=width)
            ax.plot(cell.step, values, color=colors[int(width)], linewidth=0.8)
        if name == "energy":
            loss = cell.loss.isel(width=-1)
            ax.plot(cell.step, loss, color=LOSS_COLOR, linewidth=0.7, linestyle="--")
        low, high = ax.dataLim.intervaly
        if high > LOG_FROM * low:
            ax.set_yscale("log")
        ax.set_xticks([0, int(cell.step[-1])])
        ax.tick_params(labelsize=text_size(0.75))
    axes[-1].set_xlabel("training iteration")


# --- claims -------------------------------------------------------------------------------------------------------


def mupc_ratio_near_one(data: Data, *, role: Role, width: int, n_hidden: list[int], published: float) -> Measured:
    """Largest ratio under μPC before training, at one width over some depths, against the published bound."""
    ratio = ratio_of(data[role], "mupc").sel(step=0)
    require(ratio, n_hidden=n_hidden, width=[width])
    found = ratio.sel(n_hidden=n_hidden, width=width)
    value = {f"H={h}": v for h, v in zip(n_hidden, found.values.tolist(), strict=True)}
    return Measured(value, float(found.max()) <= published)


def mupc_ratio_falls(data: Data, *, role: Role, bounds: list[float]) -> Measured:
    """Before training, the largest ratio under μPC among all networks with at least a given N/H: it falls with N/H."""
    ratio = ratio_of(data[role], "mupc").sel(step=0)
    shape = ratio.width / ratio.n_hidden
    reached = [bound for bound in bounds if bool((shape >= bound).any())]
    largest = [float(ratio.where(shape >= bound).max()) for bound in reached]
    if len(reached) < 2:
        raise NotTestable("needs networks of several N/H")
    value = {f"N/H ≥ {number(bound)}": found for bound, found in zip(reached, largest, strict=True)}
    return Measured(value, all(after < before for before, after in pairwise(largest)))


@dataclass(frozen=True)
class Case:
    """Networks of one depth, from some width on."""

    n_hidden: int
    from_width: int


def sp_ratio_stays(
    draws: Cells, ratio: Cells, *, width: list[int], cases: list[Case], published: list[float]
) -> Measured:
    """Smallest ratio under the standard parameterisation before training, at each depth from some width on.

    The median over the seeds of role `draws` decides; the seed of role `ratio` is measured beside.
    """
    decisive = _smallest_ratios(draws, width, cases)
    drawn = _smallest_ratios(ratio, width, cases)
    found = {f"median of draws, H={case.n_hidden}": value for case, value in zip(cases, decisive, strict=True)}
    found |= {f"drawn seed, H={case.n_hidden}": value for case, value in zip(cases, drawn, strict=True)}
    return Measured(found, all(value > bound for value, bound in zip(decisive, published, strict=True)))


def _smallest_ratios(cells: Cells, width: list[int], cases: Sequence[Case]) -> list[float]:
    ratio = ratio_of(cells, "sp", "median").sel(step=0)
    require(ratio, n_hidden=[case.n_hidden for case in cases], width=width)
    return [ratio.sel(n_hidden=c.n_hidden).where(ratio.width >= c.from_width).min().item() for c in cases]


def _ends(cell: xr.Dataset) -> np.ndarray:
    """Ratio before training of the narrowest and the widest network."""
    return cell.ratio.mean("seed").isel(step=0, width=[0, -1]).values


def widest_is_nearest(linear: Cells, nonlinear: Cells) -> Measured:
    """Ratio before training of the narrowest and the widest network, μPC and SP, for every φ.

    Holds if under μPC the widest network's ratio is nearer to one than the narrowest's, and below that under SP.
    """
    networks = [("linear", cell) for cell in linear] + [(str(cell.act_fn.item()), cell) for cell in nonlinear]
    value = {f"{act_fn}, {NAMES[str(cell.parameterisation.item())]}": _ends(cell) for act_fn, cell in networks}
    holds = True
    for act_fn in ("linear", "tanh", "relu"):
        narrow, wide = value[f"{act_fn}, μPC"]
        holds = holds and wide < narrow and wide < value[f"{act_fn}, SP"][1]
    return Measured(value, bool(holds))


def equilibria_are_found(data: Data, *, role: Role, published: float) -> Measured:
    """Largest norm of ∂F/∂z where the searches ended, and how many products they took."""
    norms = np.concatenate([cell.gradient_norm.values.ravel() for cell in data[role]])
    steps = np.concatenate([cell.inference_steps.values.ravel() for cell in data[role]])
    if norms.size == 0:
        raise NotTestable("no equilibrium was searched for")
    value = {"largest norm": norms.max(), "median products": np.median(steps), "most products": steps.max()}
    return Measured(value, bool(norms.max() <= published))
