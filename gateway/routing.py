"""The router of a configuration: its classifier, and the table of models.

Where the classifier is a deployment of its own, a gateway's router knows its domains alone: it
decides on scores that come from there.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from deployments.models.resolve import resolve
from gateway.config import NicheConfig
from router.artifact import artifact_path, load_artifact, read_artifact
from router.classifier import RouteClassifier, TextEncoder
from router.config import RouterConfig
from router.encoders.encoder import Encoder
from router.errors import GuaranteeError
from router.router import Classifier, Router
from router.trained import Trained
from router.types import GENERAL, Query

_log = logging.getLogger("gateway.routing")

Device = Literal["cpu", "cuda"]


def load_router(config: NicheConfig, cache_dir: Path) -> Router:
    """A router that scores in this process, on CPU.

    Raises:
        RouterError: the artifact cannot be verified, or does not know a specialist's domain.
        ModelError: the encoder's files are not here.
    """
    classifier = load_classifier(config.router, cache_dir, "cpu")
    return _router(config, classifier, classifier.trained)


def load_deciding_router(config: NicheConfig) -> Router:
    """A router that decides on scores and makes none; it loads no encoder.

    Raises:
        RouterError: the artifact cannot be verified, or does not know a specialist's domain.
    """
    _, trained = read_artifact(artifact_path(config.router.artifact))
    return _router(config, _Domains(trained.head.classes), trained)


def load_classifier(settings: RouterConfig, cache_dir: Path, device: Device) -> RouteClassifier:
    """The encoder on a device, and the artifact, verified.

    Raises:
        RouterError: the artifact cannot be verified.
        ModelError: the encoder's files are not here.
    """
    encoder = _encoder(settings, cache_dir, device)
    return load_artifact(artifact_path(settings.artifact), encoder)


def _encoder(settings: RouterConfig, cache_dir: Path, device: Device) -> TextEncoder:
    path = resolve(settings.encoder, cache_dir)
    if device == "cpu":
        return Encoder(path, cache_dir, settings.encoder_threads)
    from router.encoders.torch_encoder import TorchEncoder  # noqa: PLC0415 - only a GPU needs torch

    return TorchEncoder(path, device=device)


def _router(config: NicheConfig, classifier: Classifier, trained: Trained) -> Router:
    domains = dict.fromkeys(spec.domain for spec in config.specialists if spec.domain)
    table = {domain: config.models_of(domain) for domain in domains}
    guarantee = None
    if config.router.guarantee is not None:
        unserved = sorted(set(trained.head.classes) - set(table) - {GENERAL})
        if unserved:
            raise GuaranteeError(
                "router.guarantee is about the requests of all domains of the artifact together, "
                f"and {', '.join(unserved)} have no specialist here. Declare one, or train an "
                f"artifact with their prompts as {GENERAL!r}."
            )
        guarantee = trained.calibration.guarantee(config.router.guarantee)
        level = logging.INFO if guarantee.threshold is not None else logging.WARNING
        _log.log(level, "router guarantee: %s", guarantee.sentence())
    return Router(classifier, table, config.generalist.name, config.router, guarantee)


@dataclass(frozen=True)
class _Domains:
    """The domains of a classifier that is elsewhere."""

    classes_: tuple[str, ...]

    def scores(self, queries: Sequence[Query]) -> NoReturn:
        raise NotImplementedError(f"{len(queries)} queries belong to the classifier's deployment")
