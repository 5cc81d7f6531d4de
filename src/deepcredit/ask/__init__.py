"""Questions about what is there; nothing here computes."""
