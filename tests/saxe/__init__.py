"""Group E: deep linear networks on hierarchical data."""
