"""Figures of Innocenti, Achour & Buckley (2025), μPC: the activity Hessian of freshly drawn networks."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deepcredit.config.figure import Claim
from deepcredit.figures.base import Data, Measured, require
from deepcredit.figures.posters import legend_above, poster
from deepcredit.figures.style import SEQUENCE

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


def spectra(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """Histograms of all eigenvalues: a row for every initialisation and slice, a column for every matrix."""
    cells = data["hessian"]
    figure, axes = poster(2 * len(cells), len(SUBJECTS), (1.2, 0.75), (0.3, 0.28), 0.75)
    tables = []
    for row, (cell, along) in enumerate((cell, along) for cell in cells for along in SLICES):
        for ax, subject in zip(axes[row], SUBJECTS, strict=True):
            tables.append(_histograms(ax, cell, along, subject, options["bins"]))
        held = int(cell[_along(along)].notnull().any(["matrix", "act_fn", "seed"]).sum("eigenvalue").max())
        symbol, other = SLICES[along][2], SLICES[along][4]
        fixed = held // int(cell[SLICES[along][1]].max())
        initialisation, _, skips = name_of(cell).rpartition(", ")
        axes[row, 0].set_ylabel(f"{initialisation}\n{skips}\n{other} = {fixed}, {symbol} varies", fontsize=6)
    for ax, (act_fn, matrix) in zip(axes[0], SUBJECTS, strict=True):
        ax.set_title(f"{act_fn}: {MATRICES[matrix]}")
    for ax in axes[-1]:
        ax.set_xlabel("eigenvalue")
    sizes = sorted({int(size) for dim in ("n_hidden", "width") for size in cells[0][dim].values})
    handles = [Line2D([], [], color=color, label=str(size)) for size, color in colors_of(sizes).items()]
    title = "H or N; share of all eigenvalues of the seeds in a bin, log scale"
    legend_above(figure, handles, title)
    return figure, pd.concat(tables, ignore_index=True)


def _along(along: str) -> str:
    return SLICES[along][0]


def colors_of(values: Sequence[float]) -> dict[float, Any]:
    """A colour for every value of an ordered family, dark for the smallest."""
    shades = matplotlib.colormaps[SEQUENCE](np.linspace(0.05, 0.9, len(values)))
    return dict(zip(values, shades, strict=True))


def _histograms(ax: Axes, cell: xr.Dataset, along: str, subject: tuple[str, str], bins: int) -> pd.DataFrame:
    """One panel: a histogram for every size along the slice, with bins in common; returns the bins that are filled."""
    array, dim = SLICES[along][:2]
    act_fn, matrix = subject
    values = cell[array].sel(act_fn=act_fn, matrix=matrix)
    colors = colors_of(sorted({*cell.n_hidden.values.tolist(), *cell.width.values.tolist()}))
    edges = _edges(values.values[np.isfinite(values.values)], bins)
    tables = []
    for size in values[dim].values:
        found = values.sel({dim: size}).values.ravel()
        found = found[np.isfinite(found)]
        share = np.histogram(found, edges)[0] / len(found)
        ax.stairs(np.where(share > 0, share, np.nan), edges, color=colors[int(size)], linewidth=0.9)
        tables.append(pd.DataFrame({dim: size, "bin_from": edges[:-1], "bin_to": edges[1:], "share": share}))
    ax.set_yscale("log")
    ax.tick_params(labelsize=5, pad=1)
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


def phase(data: Data, options: Mapping[str, Any]) -> tuple[Figure, pd.DataFrame]:  # noqa: ARG001
    """Maps over depth and width, the seeds of a network side by side: a column for every initialisation."""
    cells = data["hessian"]
    figure, axes = poster(len(PHASES), len(cells), (1.3, 0.7), (0.1, 0.22), 0.5)
    tables = []
    for row, (act_fn, matrix, name) in enumerate(PHASES):
        for ax, cell in zip(axes[row], cells, strict=True):
            values = quantity(cell, name).sel(act_fn=act_fn, matrix=matrix)
            log = name == "kappa" and (bool(cell.skips) or str(cell.parameterisation.item()) == "mupc")
            _map(ax, values, log)
            table = values.rename("value").drop_vars(["act_fn", "matrix"]).to_dataframe().reset_index()
            tables.append(table.assign(quantity=name, act_fn=act_fn, matrix=matrix))
        axes[row, 0].set_ylabel(f"{act_fn}\n{QUANTITIES[name]}({MATRICES[matrix]})\n$N$")
    _label_columns(axes, cells)
    figure.supxlabel(
        "$H$, once for every seed; colours from the smallest value (dark) to the largest, both above the panel",
        fontsize="medium",
        y=0.05 / figure.get_figheight(),
        va="bottom",
    )
    return figure, pd.concat(tables, ignore_index=True)


def _label_columns(axes: np.ndarray, cells: Sequence[xr.Dataset]) -> None:
    for ax, cell in zip(axes[0], cells, strict=True):
        ax.set_title(f"{name_of(cell).replace(', ', chr(10), 1)}\n{ax.get_title()}", fontsize=6)
    for ax in axes[:, 1:].ravel():
        ax.set_yticklabels([])
    for ax in axes[:-1].ravel():
        ax.set_xticklabels([])


def _map(ax: Axes, values: xr.DataArray, log: bool) -> None:
    maps = values.transpose("seed", "width", "n_hidden").values
    n_seeds, n_widths, n_depths = maps.shape
    shown = np.full((n_widths, n_seeds * (n_depths + 1) - 1), np.nan)
    for k, values_of_seed in enumerate(maps):
        shown[:, k * (n_depths + 1) : k * (n_depths + 1) + n_depths] = values_of_seed
    finite = maps[np.isfinite(maps)]
    low, high = finite.min(), finite.max()
    if high - low <= 1e-9 * abs(high):  # equal but for rounding
        low, high = low - 0.5 * abs(low), high + 0.5 * abs(high)
    norm = LogNorm(low, high) if log and low > 0 else Normalize(low, high)
    ax.imshow(shown, norm=norm, cmap="viridis", origin="lower", aspect="auto", interpolation="nearest")
    ax.set_title(f"{_short(finite.min())} … {_short(finite.max())}", fontsize=5.5, pad=2)
    ax.spines[:].set_visible(False)
    starts = np.arange(n_seeds) * (n_depths + 1)
    ends = [values.n_hidden.values[0], values.n_hidden.values[-1]]
    ax.set_xticks(np.add.outer(starts, [0, n_depths - 1]).ravel(), [str(e) for _ in starts for e in ends])
    ax.set_yticks([0, n_widths - 1], [str(values.width.values[0]), str(values.width.values[-1])])
    ax.tick_params(labelsize=5, length=1.5, pad=1)


def _short(value: float) -> str:
    if value == 0 or 1e-2 <= abs(value) < 1e3:
        return f"{value:.3g}".replace("-", "−")
    mantissa, exponent = f"{value:.0e}".split("e")
    return rf"${mantissa}\cdot10^{{{int(exponent)}}}$"


# --- claims -------------------------------------------------------------------------------------------------------


def _cell(data: Data, role: str, **settings: Any) -> xr.Dataset:
    (found,) = [cell for cell in data[role] if all(cell[k].item() == v for k, v in settings.items())]
    return found


def _kappa(data: Data, claim: Claim, act_fn: str = "linear", **settings: Any) -> xr.DataArray:
    """Geometric mean over seeds of the numerical Hessian's κ, over (n_hidden, width); needs the claim's sizes."""
    cell = _cell(data, claim.options["role"], **settings)
    sizes = {dim: claim.options[dim] for dim in ("n_hidden", "width") if dim in claim.options}
    require(cell, **sizes)
    kappa = quantity(cell, "kappa").sel(act_fn=act_fn, matrix="numerical")
    return xr.apply_ufunc(np.exp, xr.apply_ufunc(np.log, kappa).mean("seed")).sel(sizes).transpose("n_hidden", "width")


def numerical_is_analytic(data: Data, claim: Claim) -> Measured:
    """Largest relative difference of λ_max and λ_min over all linear networks, and of the eigenvalues on the slices.

    On the slices, those eigenvalues count that a dense solver resolves: above `options.resolved` of the largest.
    """
    extremes, spectra_ = 0.0, 0.0
    for cell in data["hessian"]:
        linear = cell.sel(act_fn="linear")
        for name in ("lambda_max", "lambda_min"):
            extremes = max(extremes, _difference(linear[name], 0.0))
        for array, *_ in SLICES.values():
            spectra_ = max(spectra_, _difference(linear[array], claim.options["resolved"]))
    return Measured({"extremes": extremes, "spectra": spectra_}, max(extremes, spectra_) <= (claim.tolerance or 0))


def _difference(values: xr.DataArray, resolved: float) -> float:
    numerical, theory = values.sel(matrix="numerical"), values.sel(matrix="theory")
    size, difference = abs(theory), abs(numerical - theory)
    largest = size.max("eigenvalue") if "eigenvalue" in theory.dims else size
    return float((difference / size).where(size >= resolved * largest).max())


def kappa_grows(data: Data, claim: Claim) -> Measured:
    """κ of standard networks without skips at two ends of the grid, each within `tolerance` (a factor) of published."""
    first, last = claim.options["points"]
    kappa = _kappa(data, claim, parameterisation="sp", init="standard", skips=False)
    for point in (first, last):
        require(kappa.to_dataset(name="kappa"), **{dim: [size] for dim, size in point.items()})
    found = [kappa.sel(point).item() for point in (first, last)]
    factor = claim.tolerance or 1
    near = all(1 / factor <= f / p <= factor for f, p in zip(found, claim.published, strict=True))
    deeper = bool((kappa.sel(n_hidden=last["n_hidden"]) > kappa.sel(n_hidden=first["n_hidden"])).all())
    wider = bool((kappa.sel(width=last["width"]) > kappa.sel(width=first["width"])).all())
    names = [f"N={p['width']}, H={p['n_hidden']}" for p in (first, last)]
    value = dict(zip(names, found, strict=True)) | {"grows with H at every N": deeper, "grows with N": wider}
    return Measured(value, near and deeper and found[1] > found[0])


def skips_are_worse(data: Data, claim: Claim) -> Measured:
    """κ of standard linear networks with skips: inside the published range at every depth, above that without skips."""
    skips, without = (_kappa(data, claim, parameterisation="sp", init="standard", skips=s) for s in (True, False))
    ranges = xr.DataArray(claim.published, dims=("n_hidden", "end"), coords={"n_hidden": claim.options["n_hidden"]})
    inside = (skips >= ranges.isel(end=0)) & (skips <= ranges.isel(end=1))
    found = {f"H={p.n_hidden.item()}, N={p.width.item()}": p.item() for row in skips for p in row}
    return Measured(found, bool(inside.all()) and bool((skips > without).all()))


def mupc_better_conditioned(data: Data, claim: Claim) -> Measured:
    """Smallest ratio of κ, standard parameterisation over μPC, both with skips, over N, the depths and φ wanted.

    Activation functions of `options.shown` are measured beside but do not decide.
    """
    ratios, growth = {}, np.inf
    for act_fn in [*claim.options["act_fn"], *claim.options.get("shown", [])]:
        mupc = _kappa(data, claim, act_fn, parameterisation="mupc", init="standard_gauss", skips=True)
        standard = _kappa(data, claim, act_fn, parameterisation="sp", init=claim.options["init"], skips=True)
        ratios[act_fn] = float((standard / mupc).min())
        if act_fn in claim.options["act_fn"]:
            growth = min(growth, float((mupc.isel(n_hidden=-1) / mupc.isel(n_hidden=0)).min()))
    better = all(ratios[act_fn] > 1 for act_fn in claim.options["act_fn"])
    value = {f"smallest ratio SP / μPC, {name}": ratio for name, ratio in ratios.items()}
    return Measured(value | {"smallest growth of μPC with depth": growth}, better and growth > 1)


def orthogonal_oracle(data: Data, claim: Claim) -> Measured:
    """κ of orthogonal linear networks without skips: the same at every width and seed, and the published number."""
    cell = _cell(data, "hessian", parameterisation="sp", init="orthogonal", skips=False)
    require(cell, n_hidden=claim.options["n_hidden"])
    kappa = quantity(cell, "kappa").sel(act_fn="linear", matrix="numerical", n_hidden=claim.options["n_hidden"])
    published = xr.DataArray(claim.published, dims="n_hidden", coords={"n_hidden": claim.options["n_hidden"]})
    deviation = float((np.abs(kappa - published) / published).max())
    means = kappa.mean(["width", "seed"]).values
    return Measured({"mean": means, "largest relative deviation": deviation}, deviation <= (claim.tolerance or 0))
