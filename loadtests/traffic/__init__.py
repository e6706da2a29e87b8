"""Load, made with Locust: what is asked, when, how answers are read, and whether targets were met.

Rule: all but `users.py` know nothing of Locust, and work as well without it.
"""
