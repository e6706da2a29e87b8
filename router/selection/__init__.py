"""Decides which specialists get traffic: evidence, anytime-valid tests, lifecycle."""
