"""The router of a configuration: its encoder, its artifact, and the table of models."""

from pathlib import Path

from deployments.models.resolve import resolve
from gateway.config import NicheConfig
from router.artifact import artifact_path, load_artifact
from router.encoder import Encoder
from router.router import Router

__all__ = ["load_router"]


def load_router(config: NicheConfig, cache_dir: Path) -> Router:
    """Loads and verifies the artifact.

    Raises:
        RouterError: the artifact cannot be verified, or does not know a specialist's domain.
        ModelError: the encoder's files are not here.
    """
    settings = config.router
    encoder = Encoder(resolve(settings.encoder, cache_dir), threads=settings.encoder_threads)
    classifier = load_artifact(artifact_path(settings.artifact), encoder)
    domains = dict.fromkeys(spec.domain for spec in config.specialists if spec.domain)
    table = {domain: config.models_of(domain) for domain in domains}
    return Router(classifier, table, config.generalist.name, settings)
