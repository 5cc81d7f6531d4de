"""One process's work: compute, run, draw."""
