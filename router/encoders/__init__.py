"""Encodes texts as vectors: the only package that runs a neural network."""
