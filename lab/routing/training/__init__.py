"""Labelled rows to an artifact. Nothing that serves imports it."""
