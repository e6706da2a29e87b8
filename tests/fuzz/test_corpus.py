"""Malformed requests: each gets the status, and the shape of a body, that the corpus says."""
