"""What can keep a plan from being made."""


class PlanError(Exception):
    """It cannot be computed; the message says what is missing."""
