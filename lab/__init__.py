"""Offline work: data sets, training, evaluation, comparison, planning. Nothing here answers a
request, and what serves imports nothing of it."""
