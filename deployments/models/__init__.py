"""Model files: downloaded once, verified, found by name."""
