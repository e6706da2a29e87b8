"""The error of a plan."""


class PlanError(Exception):
    """The plan cannot be computed; the message says what is missing."""
