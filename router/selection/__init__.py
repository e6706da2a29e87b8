"""Whether a specialist earns its traffic: evidence, tests that hold at any time, lifecycle."""
