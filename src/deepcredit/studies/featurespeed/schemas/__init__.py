"""Configs of this study's kinds of experiment. Imports no torch."""
