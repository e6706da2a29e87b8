"""What can keep a load test from being made."""


class TrafficError(Exception):
    """It cannot be made as asked; the message says why and what would do."""
