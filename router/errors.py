"""What can be wrong with a router before it takes its first request.

    RouterError
    |-- ArtifactError       the trained router on disk cannot be used: which file, and the remedy
    |-- DataError           a file of prompts or judgements has faults: which lines, and the remedy
    |-- EncoderError        the encoder's files are not there or not usable
    |-- GuaranteeError      a guarantee was asked for and the artifact has no rows to make it from
    |-- TrainingError       the labelled prompts do not suffice to train or to measure
    |-- UnknownDomain       a specialist's domain is none that the classifier knows
    |-- UnknownModel        a model's health was asked for, and no such model was declared
    `-- UnknownTransition   a breaker or a specialist was told of what cannot happen in its state

While requests run nothing here is raised: a doubt becomes the `Reason` of a `Decision`.
"""


class RouterError(Exception):
    """Any error of this package."""


class ArtifactError(RouterError):
    """An artifact's file is absent, altered, of a newer version, or made for another encoder."""


class DataError(RouterError):
    """A file cannot be read, or lines of it have faults; the message has a line for each."""


class EncoderError(RouterError):
    """The encoder cannot be loaded."""


class GuaranteeError(RouterError):
    """The artifact's calibration rows say nothing about the risk that was asked for."""


class TrainingError(RouterError):
    """The rows cannot train a router."""


class UnknownDomain(RouterError):
    """The table of specialists names domains that the classifier was not trained on."""


class UnknownModel(RouterError):
    """A model that was not declared at construction."""


class UnknownTransition(RouterError):
    """The event is not possible in the state; the state has not changed."""
