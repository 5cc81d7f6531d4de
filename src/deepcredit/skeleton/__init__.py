"""Where a study from outside begins."""
