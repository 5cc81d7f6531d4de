"""Figures and claims of this study. Imports no torch."""
