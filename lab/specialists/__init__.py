"""Trains and evaluates specialists."""
