"""Hostile clients against a running stack, and what a polite client beside them sees of it."""
