"""Graders: pure functions that score an answer, for training recipes and comparisons.

A grader takes an answer and a `Reference` and returns `Counts`; counts of many answers add up to
an accuracy or to a micro-averaged F1. `registry.GRADERS` names them all.
"""
