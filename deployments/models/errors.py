"""The error of model files."""


class ModelError(Exception):
    """A model or an adapter is not available; the message names it and the remedy."""
