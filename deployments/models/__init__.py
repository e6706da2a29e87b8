"""Model files: fetched once, verified, found by name."""
