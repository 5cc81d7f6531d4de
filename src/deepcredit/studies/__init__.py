"""One room a paper: kinds of experiment, figures, claims, explorers."""
