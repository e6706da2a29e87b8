"""Texts to vectors: the one package that runs a neural network."""
