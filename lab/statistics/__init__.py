"""The statistics of a comparison: pure functions, each tested against another implementation."""
