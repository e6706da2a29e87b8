"""The error of a comparison."""


class ComparisonError(Exception):
    """The comparison cannot run as requested; the message gives the reason and the remedy."""
