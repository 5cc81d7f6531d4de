"""Colours and sizes that mean the same in every figure. The rest of the look is in `deepcredit.mplstyle`."""

from pathlib import Path

#: the style sheet of all figures
STYLE_SHEET = Path(__file__).with_name("deepcredit.mplstyle")

#: one column, and the full text width, in inches, where `figure.figsize` is that of our own style sheet
COLUMN, PAGE = 3.35, 6.9

#: colour map for an ordered family of curves (depths, widths, learning rates)
SEQUENCE = "viridis"
