"""Errors, paths, files, words, registries: nothing of the package is below it."""
