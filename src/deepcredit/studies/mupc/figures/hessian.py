"""Figures of Innocenti, Achour & Buckley (2025), μPC: the activity Hessian of freshly drawn networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.figures.base import Cells, Data, Measured, Role
from deepcredit.figures.cells import only, require
from deepcredit.figures.drawing import family, text_size
from deepcredit.figures.numbers import compact
from deepcredit.figures.posters import legend_above, poster
from deepcredit.figures.style import SEQUENCE
from deepcredit.figures.tables import tidy

#: how the initialisations are written
INITS = {
    "one_over_N": r"$\mathcal{N}(0, 1/N)$",
    "standard_gauss": r"$\mathcal{N}(0, 1)$",
    "standard": "standard",
    "orthogonal": "orthogonal",
}

#: matrix as the arrays name it → as it is written
MATRICES = {"numerical": r"$H_z$", "theory": r"$H_{\mathrm{theory}}$", "D": "$D$", "O": "$O$"}

#: every matrix that there is of one network
SUBJECTS = [
    ("linear", "numerical"),
    ("linear", "theory"),
    ("linear", "D"),
    ("linear", "O"),
    ("tanh", "numerical"),
    ("relu", "numerical"),
]

#: slice → array, the dimension along it, its symbol, the setting that is held and its symbol
SLICES = {
    "depth": ("spectrum_over_depth", "n_hidden", "H", "slice_width", "N"),
    "width": ("spectrum_over_width", "width", "N", "slice_n_hidden", "H"),
}


def name_of(cell: xr.Dataset) -> str:
    """The initialisation of a cell, with its parameterisation where that is not the standard one."""
    parameterisation = {"sp": "SP", "mupc": "μPC"}[str(cell.parameterisation.item())]
    skips = "skips" if cell.skips.item() else "no skips"
    return f"{parameterisation}, {INITS[str(cell.init.item())]}, {skips}"


def _settings(cell: xr.Dataset) -> dict[str, Any]:
    return {key: cell[key].item() for key in ("parameterisation", "init", "skips")}


# --- spectra ------------------------------------------------------------------------------------------------------


def spectra(hessian: Cells, *, bins: int) -> tuple[Figure, pd.DataFrame]:
    """Histograms of all eigenvalues: a row for every initialisation and slice, a column for every matrix."""
    figure, axes = poster(2 * len(hessian), len(SUBJECTS), (1.2, 0.75), (0.3, 0.28), 0.75)
    tables = []
    for row, (cell, along) in zip(axes, ((cell, along) for cell in hessian for along in SLICES), strict=True):
        tables += [_histograms(ax, cell, along, subject, bins) for ax, subject in zip(row, SUBJECTS, strict=True)]
        row[0].set_ylabel(_slice_label(cell, along), fontsize=text_size(0.75))
    for ax, (act_fn, matrix) in zip(axes[0], SUBJECTS, strict=True):
        ax.set_title(f"{act_fn}: {MATRICES[matrix]}")
    for ax in axes[-1]:
        ax.set_xlabel("eigenvalue")
    sizes = sorted({int(size) for dim in ("n_hidden", "width") for size in hessian[0][dim].values})
    handles = [Line2D([], [], color=color, label=str(size)) for size, color in family(sizes).items()]
    legend_above(figure, handles, "H or N; share of all eigenvalues of the seeds in a bin, log scale")
    return figure, pd.concat(tables, ignore_index=True)


def _slice_label(cell: xr.Dataset, along: str) -> str:
    """The initialisation of a row, the size that it holds and the one that varies."""
    array, dim, symbol, _, other = SLICES[along]
    held = int(cell[array].notnull().any(["matrix", "act_fn", "seed"]).sum("eigenvalue").max())
    initialisation, _, skips = name_of(cell).rpartition(", ")
    return f"{initialisation}\n{skips}\n{other} = {held // int(cell[dim].max())}, {symbol} varies"


def _histograms(ax: Axes, cell: xr.Dataset, along: str, subject: tuple[str, str], bins: int) -> pd.DataFrame:
    """One panel: a histogram for every size along the slice, with bins in common; returns the bins that are filled."""
    array, dim = SLICES[along][:2]
    act_fn, matrix = subject
    values = cell[array].sel(act_fn=act_fn, matrix=matrix)
    colors = family(sorted({*cell.n_hidden.values.tolist(), *cell.width.values.tolist()}))
    edges = _edges(values.values[np.isfinite(values.values)], bins)
    tables = []
    for size in values[dim].values:
        found = values.sel({dim: size}).values.ravel()
        found = found[np.isfinite(found)]
        share = np.histogram(found, edges)[0] / len(found)
        ax.stairs(np.where(share > 0, share, np.nan), edges, color=colors[int(size)], linewidth=0.9)
        tables.append(pd.DataFrame({dim: size, "bin_from": edges[:-1], "bin_to": edges[1:], "share": share}))
    ax.set_yscale("log")
    ax.tick_params(labelsize=text_size(0.625), pad=1)
    ax.minorticks_off()
    table = pd.concat(tables)
    table = table[table.share > 0]
    return table.assign(**_settings(cell), slice=along, act_fn=act_fn, matrix=matrix)


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Edges of equal bins over the range; one of width 1 around values that differ by no more than rounding."""
    low, high = values.min(), values.max()
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        middle = (low + high) / 2 + 0.5 / bins  # in the middle of a bin, not between two
        low, high = middle - 0.5, middle + 0.5
    return np.linspace(low, high, bins + 1)


# --- phase diagrams -----------------------------------------------------------------------------------------------

#: rows of the phase diagrams: φ, matrix, quantity
PHASES = [
    *(("linear", matrix, q) for matrix in ("numerical", "theory") for q in ("lambda_max", "lambda_min", "kappa")),
    *(("linear", matrix, q) for matrix in ("D", "O") for q in ("lambda_max", "lambda_min")),
    *((act_fn, "numerical", q) for act_fn in ("tanh", "relu") for q in ("lambda_max", "lambda_min", "kappa")),
]

QUANTITIES = {"lambda_max": r"$\lambda_{\max}$", "lambda_min": r"$\lambda_{\min}$", "kappa": r"$\kappa$"}


def quantity(cell: xr.Dataset, name: str) -> xr.DataArray:
    """An array of a cell, or κ = |λ_max| / |λ_min|."""
    return cell[name] if name != "kappa" else np.abs(cell.lambda_max) / np.abs(cell.lambda_min)


def phase(hessian: Cells) -> tuple[Figure, pd.DataFrame]:
    """Maps over depth and width, the seeds of a network side by side: a column for every initialisation."""
    figure, axes = poster(len(PHASES), len(hessian), (1.3, 0.7), (0.1, 0.22), 0.5)
    tables = []
    for row, subject in zip(axes, PHASES, strict=True):
        tables += [_phase(ax, cell, *subject) for ax, cell in zip(row, hessian, strict=True)]
        act_fn, matrix, name = subject
        row[0].set_ylabel(f"{act_fn}\n{QUANTITIES[name]}({MATRICES[matrix]})\n$N$")
    _label_columns(axes, hessian)
    figure.supxlabel(
        "$H$, once for every seed; colours from the smallest value (dark) to the largest, both above the panel",
        fontsize="medium",
        y=0.05 / figure.get_figheight(),
        va="bottom",
    )
    return figure, pd.concat(tables, ignore_index=True)


def _phase(ax: Axes, cell: xr.Dataset, act_fn: str, matrix: str, name: str) -> pd.DataFrame:
    values = quantity(cell, name).sel(act_fn=act_fn, matrix=matrix)
    _map(ax, values, log=name == "kappa" and (bool(cell.skips) or str(cell.parameterisation.item()) == "mupc"))
    table = tidy(values, **_settings(cell), quantity=name, act_fn=act_fn, matrix=matrix)
    return table[[*values.dims, *_settings(cell), "value", "quantity", "act_fn", "matrix"]]


def _label_columns(axes: np.ndarray, cells: Sequence[xr.Dataset]) -> None:
    for ax, cell in zip(axes[0], cells, strict=True):
        ax.set_title(f"{name_of(cell).replace(', ', chr(10), 1)}\n{ax.get_title()}", fontsize=text_size(0.75))
    for ax in axes[:, 1:].ravel():
        ax.set_yticklabels([])
    for ax in axes[:-1].ravel():
        ax.set_xticklabels([])


def _map(ax: Axes, values: xr.DataArray, log: bool) -> None:
    maps = values.transpose("seed", "width", "n_hidden").values
    finite = maps[np.isfinite(maps)]
    norm = _norm(finite.min(), finite.max(), log)
    ax.imshow(_side_by_side(maps), norm=norm, cmap=SEQUENCE, origin="lower", aspect="auto", interpolation="nearest")
    ax.set_title(f"{compact(finite.min())} … {compact(finite.max())}", fontsize="x-small", pad=2)
    ax.spines[:].set_visible(False)
    n_seeds, n_widths, n_depths = maps.shape
    starts = np.arange(n_seeds) * (n_depths + 1)
    ends = [values.n_hidden.values[0], values.n_hidden.values[-1]]
    ax.set_xticks(np.add.outer(starts, [0, n_depths - 1]).ravel(), [str(e) for _ in starts for e in ends])
    ax.set_yticks([0, n_widths - 1], [str(values.width.values[0]), str(values.width.values[-1])])
    ax.tick_params(labelsize=text_size(0.625), length=1.5, pad=1)


def _side_by_side(maps: np.ndarray) -> np.ndarray:
    """Maps [seed, width, depth] in one row, with an empty column between two."""
    gap = np.full((*maps.shape[:2], 1), np.nan)
    return np.concatenate(list(np.concatenate([maps, gap], axis=2)), axis=1)[:, :-1]


def _norm(low: float, high: float, log: bool) -> Normalize:
    if high - low <= 1e-9 * abs(high):  # equal but for rounding
        low, high = low - 0.5 * abs(low), high + 0.5 * abs(high)
    return LogNorm(low, high) if log and low > 0 else Normalize(low, high)


# --- claims -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """Of a network."""

    n_hidden: int
    width: int


def _kappa(cells: Cells, sizes: dict[str, list[int]], act_fn: str = "linear", **where: Any) -> xr.DataArray:
    """Geometric mean over seeds of the numerical Hessian's κ, over (n_hidden, width); needs the `sizes`."""
    cell = only(cells, **where)
    require(cell, **sizes)
    kappa = quantity(cell, "kappa").sel(act_fn=act_fn, matrix="numerical")
    return xr.apply_ufunc(np.exp, xr.apply_ufunc(np.log, kappa).mean("seed")).sel(sizes).transpose("n_hidden", "width")


def numerical_is_analytic(hessian: Cells, *, resolved: float, tolerance: float = 0.0) -> Measured:
    """Largest relative difference of λ_max and λ_min over all linear networks, and of the eigenvalues on the slices.

    On the slices, those eigenvalues count that a dense solver resolves: above `resolved` of the largest.
    """
    linear = [cell.sel(act_fn="linear") for cell in hessian]
    extremes = max(_difference(cell[name], 0.0) for cell in linear for name in ("lambda_max", "lambda_min"))
    slices = max(_difference(cell[array], resolved) for cell in linear for array, *_ in SLICES.values())
    return Measured({"extremes": extremes, "spectra": slices}, max(extremes, slices) <= tolerance)


def _difference(values: xr.DataArray, resolved: float) -> float:
    numerical, theory = values.sel(matrix="numerical"), values.sel(matrix="theory")
    size, difference = abs(theory), abs(numerical - theory)
    largest = size.max("eigenvalue") if "eigenvalue" in theory.dims else size
    return float((difference / size).where(size >= resolved * largest).max())


def kappa_grows(
    data: Data, *, role: Role, points: tuple[Size, Size], published: tuple[float, float], tolerance: float = 1.0
) -> Measured:
    """κ of standard networks without skips at two ends of the grid, each within `tolerance` (a factor) of published."""
    first, last = points
    kappa = _kappa(data[role], {}, parameterisation="sp", init="standard", skips=False)
    for point in points:
        require(kappa, n_hidden=[point.n_hidden], width=[point.width])
    found = [kappa.sel(n_hidden=point.n_hidden, width=point.width).item() for point in points]
    near = all(1 / tolerance <= f / p <= tolerance for f, p in zip(found, published, strict=True))
    deeper = bool((kappa.sel(n_hidden=last.n_hidden) > kappa.sel(n_hidden=first.n_hidden)).all())
    wider = bool((kappa.sel(width=last.width) > kappa.sel(width=first.width)).all())
    names = [f"N={point.width}, H={point.n_hidden}" for point in points]
    value = dict(zip(names, found, strict=True)) | {"grows with H at every N": deeper, "grows with N": wider}
    return Measured(value, near and deeper and found[1] > found[0])


def skips_are_worse(
    data: Data, *, role: Role, n_hidden: list[int], width: list[int], published: list[tuple[float, float]]
) -> Measured:
    """κ of standard linear networks with skips: inside the published range at every depth, above that without skips."""
    sizes = {"n_hidden": n_hidden, "width": width}
    skips, without = (_kappa(data[role], sizes, parameterisation="sp", init="standard", skips=s) for s in (True, False))
    ranges = xr.DataArray(published, dims=("n_hidden", "end"), coords={"n_hidden": n_hidden})
    inside = (skips >= ranges.isel(end=0)) & (skips <= ranges.isel(end=1))
    found = {f"H={p.n_hidden.item()}, N={p.width.item()}": p.item() for row in skips for p in row}
    return Measured(found, bool(inside.all()) and bool((skips > without).all()))


def mupc_better_conditioned(
    data: Data, *, role: Role, n_hidden: list[int], init: str, act_fn: list[str], shown: Sequence[str] = ()
) -> Measured:
    """Smallest ratio of κ, standard parameterisation over μPC, both with skips, over N, the depths and φ wanted.

    Activation functions of `shown` are measured beside but do not decide; `init` is that of the standard networks.
    """
    ratios, growth = {}, np.inf
    for phi in [*act_fn, *shown]:
        mupc, standard = (
            _kappa(data[role], {"n_hidden": n_hidden}, phi, parameterisation=p, init=start, skips=True)
            for p, start in (("mupc", "standard_gauss"), ("sp", init))
        )
        ratios[phi] = float((standard / mupc).min())
        if phi in act_fn:
            growth = min(growth, float((mupc.isel(n_hidden=-1) / mupc.isel(n_hidden=0)).min()))
    better = all(ratios[phi] > 1 for phi in act_fn)
    value = {f"smallest ratio SP / μPC, {phi}": ratio for phi, ratio in ratios.items()}
    return Measured(value | {"smallest growth of μPC with depth": growth}, better and growth > 1)


def orthogonal_oracle(
    hessian: Cells, *, n_hidden: list[int], published: list[float], tolerance: float = 0.0
) -> Measured:
    """κ of orthogonal linear networks without skips: the same at every width and seed, and the published number."""
    cell = only(hessian, parameterisation="sp", init="orthogonal", skips=False)
    require(cell, n_hidden=n_hidden)
    kappa = quantity(cell, "kappa").sel(act_fn="linear", matrix="numerical", n_hidden=n_hidden)
    expected = xr.DataArray(published, dims="n_hidden", coords={"n_hidden": n_hidden})
    deviation = float((np.abs(kappa - expected) / expected).max())
    means = kappa.mean(["width", "seed"]).values
    return Measured({"mean": means, "largest relative deviation": deviation}, deviation <= tolerance)
