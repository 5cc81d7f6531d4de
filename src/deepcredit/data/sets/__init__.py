"""Data sets of the project, one a file."""
