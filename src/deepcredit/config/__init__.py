"""From conf/ and overrides to typed cells."""
