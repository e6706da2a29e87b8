"""How many replicas a given traffic needs, what they cost, and when a specialist pays for itself.

Rule: pure. Measurements are passed in as text and values; nothing is asked, timed or started.
"""
