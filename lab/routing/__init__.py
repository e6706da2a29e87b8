"""Trains, calibrates and evaluates routers."""
