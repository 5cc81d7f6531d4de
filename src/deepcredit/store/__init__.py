"""What is computed, and where it is."""
