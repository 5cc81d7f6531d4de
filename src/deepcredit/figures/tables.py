"""Tidy tables of what a figure draws: one row a value."""

from collections.abc import Mapping

import pandas as pd
import xarray as xr


def tidy(values: xr.DataArray, name: str = "value", **columns: object) -> pd.DataFrame:
    """One row a value: its place along the dimensions, the value in column `name`, and `columns`, the same in all."""
    frame = values.rename(name).to_dataframe().reset_index()[[*values.dims, name]]
    return frame.assign(**columns)


def told_apart(parts: Mapping[str, xr.DataArray], column: str, name: str = "value") -> pd.DataFrame:
    """`tidy` of several arrays below one another, with the key of each in `column`."""
    return pd.concat([tidy(values, name, **{column: key}) for key, values in parts.items()], ignore_index=True)


def in_panel(panel: str, values: xr.DataArray, quantity: str) -> pd.DataFrame:
    """`tidy` of a quantity that a panel shows, with both in front."""
    frame = tidy(values)
    frame.insert(0, "panel", panel)
    frame.insert(1, "quantity", quantity)
    return frame
