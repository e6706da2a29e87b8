"""The errors of model files."""

from collections.abc import Mapping


class ModelError(Exception):
    """A model or an adapter is not available; the message names it and the remedy."""


class UnusableModels(ModelError):
    """Some models of a process cannot be served, and the others could be without them.

    Attributes:
        reasons: why, by the names of the models.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(dict.fromkeys(reasons.values())))
        self.reasons = reasons
