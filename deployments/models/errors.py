"""The one error of model files."""


class ModelError(Exception):
    """A model or an adapter cannot be had; the message names it and the remedy."""
