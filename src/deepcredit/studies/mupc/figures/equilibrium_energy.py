"""Figures of Innocenti, Achour & Buckley (2025), μPC: how far the energy at equilibrium is from the loss."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.config.figure import Claim
from deepcredit.figures.base import Data, Measured, NotTestable, require
from deepcredit.figures.style import PAGE, SEQUENCE

NAMES = {"mupc": "μPC", "sp": "SP"}

#: what stands for all seeds
SUMMARIES = {"mean": np.mean, "median": np.median}


def pick(cells: Sequence[xr.Dataset], **settings: Any) -> list[xr.Dataset]:
    """The cells whose scalar coordinates are `settings`."""
    return [c for c in cells if all(c[name].item() == value for name, value in settings.items())]


# --- ratio over depth and width -----------------------------------------------------------------------------------


def ratio_of(cells: Sequence[xr.Dataset], parameterisation: str, over_seeds: str = "mean") -> xr.DataArray:
    """Loss over energy, mean (or median) over seeds, over (n_hidden, width, step)."""
    found = sorted(pick(cells, parameterisation=parameterisation), key=lambda c: int(c.n_hidden))
    return xr.concat(
        [c.ratio.reduce(SUMMARIES[over_seeds], "seed") for c in found], "n_hidden", coords="minimal", compat="override"
    )


def ratio_phase(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Maps of loss / F* over depth and width at several iterations, two rows of panels for each parameterisation."""
    times = options["times"]
    columns = len(times) // 2
    figure = Figure(figsize=(PAGE, 1.75 * 4 + 0.4))
    axes = figure.subplots(4, columns, sharex=True, sharey=True)
    tables = []
    for top, parameterisation in ((0, "mupc"), (2, "sp")):
        ratio, panels = ratio_of(data["ratio"], parameterisation), axes[top : top + 2].ravel()
        norm = LogNorm(1, options["largest"][parameterisation])
        for ax, time in zip(panels, times, strict=True):
            ax.set_title(f"{NAMES[parameterisation]}, $t = {time}$")
            _ratio_map(ax, ratio, time, norm, printed=parameterisation in options["printed"])
        shades = matplotlib.cm.ScalarMappable(norm, "inferno")
        figure.colorbar(shades, ax=list(panels), label=r"loss / $\mathcal{F}^*$", pad=0.01, extend="max")
        chosen = ratio.sel(step=[t for t in times if t in ratio.step.values])
        tables.append(chosen.rename("ratio").to_dataframe().reset_index().assign(parameterisation=parameterisation))
    for ax in axes[:, 0]:
        ax.set_ylabel("width $N$")
    for ax in axes[-1]:
        ax.set_xlabel("hidden layers $H$")
    table = pd.concat(tables, ignore_index=True)
    return figure, table[["parameterisation", "step", "n_hidden", "width", "ratio"]]


def _ratio_map(ax: Axes, ratio: xr.DataArray, time: int, norm: LogNorm, printed: bool) -> None:
    ax.set_xticks(range(ratio.sizes["n_hidden"]), [str(h) for h in ratio.n_hidden.values])
    ax.set_yticks(range(ratio.sizes["width"]), [str(n) for n in ratio.width.values])
    ax.tick_params(labelsize=5.5)
    if time not in ratio.step.values:
        ax.set(xlim=(-0.5, ratio.sizes["n_hidden"] - 0.5), ylim=(-0.5, ratio.sizes["width"] - 0.5))
        ax.text(0.5, 0.5, "not reached\nat this scale", transform=ax.transAxes, ha="center", va="center", color="0.5")
        return
    values = ratio.sel(step=time).transpose("width", "n_hidden").values
    ax.imshow(np.maximum(values, 1), norm=norm, cmap="inferno", origin="lower", aspect="auto")
    for (row, column), value in np.ndenumerate(values if printed else np.empty((0, 0))):
        bright = norm(max(value, 1)) > 0.6
        ax.text(column, row, _brief(value), ha="center", va="center", fontsize=3.6, color="0.1" if bright else "white")


def _brief(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.2f}" if value < 99.5 else f"{value:.0f}"


# --- one depth, over width ----------------------------------------------------------------------------------------

#: rows of the figure: what is drawn for every width, and how its axis is called
ROWS = {"energy": r"$\mathcal{F}^*$ (and loss, widest)", "loss": "loss", "ratio": r"loss / $\mathcal{F}^*$"}


def convergence(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Energy with the widest network's loss, loss, and ratio over training; a column for each φ and scaling."""
    wanted = [(a, p) for p in ("mupc", "sp") for a in ("linear", "tanh", "relu")]
    figure = Figure(figsize=(1.45 * PAGE, 5.2))
    axes = figure.subplots(len(ROWS), len(wanted), sharex=False, squeeze=False)
    widths = sorted({int(n) for role in data for c in data[role] for n in c.width.values} & set(options["widths"]))
    shades = matplotlib.colormaps[SEQUENCE](np.linspace(0.05, 0.9, len(widths)))
    colors = dict(zip(widths, shades, strict=True))
    tables = []
    for column, (act_fn, parameterisation) in zip(axes.T, wanted, strict=True):
        role = "linear" if act_fn == "linear" else "nonlinear"
        (cell,) = (
            pick(data[role], parameterisation=parameterisation)
            if role == "linear"
            else pick(data[role], act_fn=act_fn, parameterisation=parameterisation)
        )
        drawn = cell.mean("seed").sel(width=[n for n in widths if n in cell.width.values])
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
        ax.tick_params(labelsize=6)
    axes[-1].set_xlabel("training iteration")


# --- claims -------------------------------------------------------------------------------------------------------


def mupc_ratio_near_one(data: Data, claim: Claim) -> Measured:
    """Largest ratio under μPC before training, at one width over some depths, against the published bound."""
    ratio = ratio_of(data[claim.options["role"]], "mupc").sel(step=0)
    depths, width = claim.options["n_hidden"], claim.options["width"]
    require(ratio.to_dataset(name="ratio"), n_hidden=depths, width=[width])
    found = ratio.sel(n_hidden=depths, width=width)
    value = {f"H={h}": v for h, v in zip(depths, found.values.tolist(), strict=True)}
    return Measured(value, float(found.max()) <= claim.published)


def mupc_ratio_falls(data: Data, claim: Claim) -> Measured:
    """Before training, the largest ratio under μPC among all networks with at least a given N/H: it falls with N/H."""
    ratio = ratio_of(data[claim.options["role"]], "mupc").sel(step=0)
    shape = ratio.width / ratio.n_hidden
    bounds = [b for b in claim.options["bounds"] if bool((shape >= b).any())]
    largest = [float(ratio.where(shape >= bound).max()) for bound in bounds]
    if len(bounds) < 2:
        raise NotTestable("needs networks of several N/H")
    value = {f"N/H ≥ {bound}": found for bound, found in zip(bounds, largest, strict=True)}
    return Measured(value, all(after < before for before, after in pairwise(largest)))


def sp_ratio_stays(data: Data, claim: Claim) -> Measured:
    """Smallest ratio under the standard parameterisation before training, at each depth from some width on.

    The median over the seeds of role `draws` decides; the seed of role `ratio` is measured beside.
    """
    cases = claim.options["cases"]
    found = {}
    for role, name in (("draws", "median of draws"), ("ratio", "drawn seed")):
        ratio = ratio_of(data[role], "sp", "median").sel(step=0)
        require(ratio.to_dataset(name="ratio"), n_hidden=[c["n_hidden"] for c in cases], width=claim.options["width"])
        for case in cases:
            wide = ratio.sel(n_hidden=case["n_hidden"]).where(ratio.width >= case["from_width"])
            found[f"{name}, H={case['n_hidden']}"] = wide.min().item()
    decisive = list(found.values())[: len(cases)]
    return Measured(found, all(value > bound for value, bound in zip(decisive, claim.published, strict=True)))


def widest_is_nearest(data: Data, claim: Claim) -> Measured:  # noqa: ARG001
    """Ratio before training of the narrowest and the widest network, μPC and SP, for every φ.

    Holds if under μPC the widest network's ratio is nearer to one than the narrowest's, and below that under SP.
    """
    value, holds = {}, True
    for role, cells in data.items():
        for cell in cells:
            act_fn = "linear" if role == "linear" else str(cell.act_fn.item())
            ends = cell.ratio.mean("seed").isel(step=0, width=[0, -1]).values
            value[f"{act_fn}, {NAMES[str(cell.parameterisation.item())]}"] = ends
    for act_fn in ("linear", "tanh", "relu"):
        narrow, wide = value[f"{act_fn}, μPC"]
        holds = holds and wide < narrow and wide < value[f"{act_fn}, SP"][1]
    return Measured(value, bool(holds))


def equilibria_are_found(data: Data, claim: Claim) -> Measured:
    """Largest norm of ∂F/∂z where the searches ended, and how many products they took."""
    norms = np.concatenate([c.gradient_norm.values.ravel() for c in data[claim.options["role"]]])
    steps = np.concatenate([c.inference_steps.values.ravel() for c in data[claim.options["role"]]])
    if norms.size == 0:
        raise NotTestable("no equilibrium was searched for")
    value = {"largest norm": norms.max(), "median products": np.median(steps), "most products": steps.max()}
    return Measured(value, bool(norms.max() <= claim.published))
