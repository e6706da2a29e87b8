"""Errors of setting up a router, before its first request.

    RouterError
    |-- ArtifactError       an artifact cannot be used; names the file and the remedy
    |-- DataError           a file of prompts or judgements has errors; names the lines
    |-- EncoderError        the encoder's files are absent or unusable
    |-- GuaranteeError      the artifact has no calibration rows for the guarantee
    |-- TrainingError       too few labelled prompts to train or to measure
    |-- UnknownDomain       the classifier does not know a specialist's domain
    |-- UnknownModel        a model is not declared in `Health`
    `-- UnknownTransition   an event is not possible in the current state

Requests raise none of these: a doubt becomes the `Reason` of a `Decision`.
"""


class RouterError(Exception):
    """Any error of this package."""


class ArtifactError(RouterError):
    """An artifact's file is absent, altered, of a newer version, or made for another encoder."""


class DataError(RouterError):
    """A file cannot be read, or has invalid lines; the message has one line per error."""


class EncoderError(RouterError):
    """The encoder cannot be loaded."""


class GuaranteeError(RouterError):
    """The artifact has no calibration rows for the requested risk."""


class TrainingError(RouterError):
    """The rows cannot train a router."""


class UnknownDomain(RouterError):
    """The table of specialists names domains that the classifier was not trained on."""


class UnknownModel(RouterError):
    """A model that was not declared at construction."""


class UnknownTransition(RouterError):
    """The event is not possible in the current state, which does not change."""
