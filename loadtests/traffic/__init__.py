"""Load tests with Locust: prompts, arrival times, streaming clients, measurements, objectives.

Rule: only `users.py` knows Locust; everything else works without it.
"""
