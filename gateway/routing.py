"""Loads what routes requests: the policy, and the classifier that scores for it.

They are loaded separately: if the classifier is a separate deployment, a gateway needs only the
policy and loads no encoder.
"""

import logging
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Literal

from deployments.models.resolve import resolve
from gateway.config import NicheConfig
from router.artifact import artifact_path, load_artifact, read_artifact
from router.classifier import RouteClassifier, TextEncoder
from router.config import GuaranteeConfig, RouterConfig
from router.encoders.adapter import adapter_of
from router.encoders.encoder import Encoder
from router.errors import GuaranteeError, UnknownDomain
from router.guarantee import Guarantee
from router.policy import Policy
from router.trained import Trained
from router.types import GENERAL

_log = logging.getLogger("gateway.routing")

Device = Literal["cpu", "cuda"]


def load_policy(config: NicheConfig) -> Policy:
    """The policy, with the artifact's domains and guarantees; loads no encoder.

    Raises:
        RouterError: the artifact cannot be verified, does not know a specialist's domain, or
            supports no guarantee for these domains.
    """
    _, trained = read_artifact(artifact_path(config.router.artifact))
    domains = dict.fromkeys(spec.domain for spec in config.specialists if spec.domain)
    table = {domain: config.models_of(domain) for domain in domains}
    _require_known(table, trained.head.classes, config.router.artifact)
    guarantee = None
    if config.router.guarantee is not None:
        guarantee = _guarantee(config.router.guarantee, table, trained)
    settings = config.router
    if settings.max_misrouted is not None:
        threshold = trained.calibration.threshold(settings.max_misrouted)
        settings = settings.model_copy(update={"min_confidence": threshold})
    return Policy(table, config.generalist.name, settings, guarantee)


def classifier_made_of(settings: RouterConfig) -> object:
    """What a loaded classifier depends on: the files, and not the thresholds."""
    files = settings.artifact, checksum(artifact_file(settings)), settings.encoder
    return *files, settings.encoder_threads, settings.deployment


def artifact_file(settings: RouterConfig) -> Path:
    """The file that has the checksums of the artifact."""
    return artifact_path(settings.artifact) / "artifact.json"


def checksum(path: Path) -> str:
    """Of a small file's contents; "" where there is none."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def load_classifier(settings: RouterConfig, cache_dir: Path, device: Device) -> RouteClassifier:
    """Loads the encoder on a device, and verifies the artifact.

    Raises:
        RouterError: the artifact cannot be verified.
        ModelError: the encoder's files are not in the cache.
    """
    encoder = _encoder(settings, cache_dir, device)
    return load_artifact(artifact_path(settings.artifact), encoder)


def _encoder(settings: RouterConfig, cache_dir: Path, device: Device) -> TextEncoder:
    path = resolve(settings.encoder, cache_dir)
    adapter = adapter_of(artifact_path(settings.artifact))
    if device == "cpu":
        return Encoder(path, cache_dir, settings.encoder_threads, adapter=adapter)
    from router.encoders.torch_encoder import TorchEncoder  # noqa: PLC0415 - only a GPU needs torch

    return TorchEncoder(path, device=device, adapter=adapter)


def _require_known(table: Iterable[str], classes: Sequence[str], artifact: str) -> None:
    unknown = sorted(set(table) - set(classes))
    if unknown:
        raise UnknownDomain(
            f"specialists are declared for {', '.join(unknown)}, but the router's artifact "
            f"{artifact!r} knows only {', '.join(sorted(classes))}. "
            "Train an artifact with prompts of that domain and name it in router.artifact, "
            "or correct the specialist's domain."
        )


def _guarantee(settings: GuaranteeConfig, table: Iterable[str], trained: Trained) -> Guarantee:
    unserved = sorted(set(trained.head.classes) - set(table) - {GENERAL})
    if unserved:
        raise GuaranteeError(
            "router.guarantee is about the requests of all domains of the artifact together, "
            f"and {', '.join(unserved)} have no specialist here. Declare one, or train an "
            f"artifact with their prompts as {GENERAL!r}."
        )
    guarantee = trained.calibration.guarantee(settings)
    level = logging.INFO if guarantee.threshold is not None else logging.WARNING
    # The states of specialists are not known here; `GuaranteeWatch` follows them.
    _log.log(level, "router guarantee, while all domains are served: %s", guarantee.sentence())
    return guarantee
