"""Fixtures of tests that train."""

from tests.ensembles import images

__all__ = ["images"]
