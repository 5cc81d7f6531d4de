"""Rebuild the figures of five works on credit assignment in deep networks, and keep them rebuilt."""

__version__ = "0.1.0"
