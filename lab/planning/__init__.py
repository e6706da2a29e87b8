"""How many replicas a given traffic needs, what they cost, and when a specialist saves money.

Rule: pure. Measurements are passed in as text and values; no requests, no clocks, no processes.
"""
