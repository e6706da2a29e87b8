"""The error of a load test."""


class LoadTestError(Exception):
    """The load test cannot run as asked; the message says why and what to change."""
