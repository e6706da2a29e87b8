"""What can keep a comparison from being made."""


class ComparisonError(Exception):
    """It cannot be made as asked; the message says why and what would do."""
