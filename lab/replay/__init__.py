"""Policies replayed over recorded answers: what routing would have cost, and how good it was."""
