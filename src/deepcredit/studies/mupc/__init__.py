"""μPC and predictive coding in deep networks."""
