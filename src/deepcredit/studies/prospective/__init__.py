"""Target alignment and interference."""
