"""The parts of a local stack and what each is made of: its settings, and the contents of the files
that it loads. A part whose making differs has to be deployed anew."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from deployments.models.adapters import ADAPTERS, CARD
from deployments.spec import ModelSpec
from gateway.config import ConfigError, NicheConfig
from router.artifact import artifact_path

Contents = Mapping[Path, str]
"""A checksum of each file; "" where there is none."""


def contents(config: NicheConfig, *more: Path) -> Contents:
    """Of all files that say what a stack is made of, weights aside: their cards have checksums.

    Args:
        config: of the stack.
        more: further files, such as the configuration's own.
    """
    files = [*more, router_file(config), *(card_of(spec) for spec in config.models if spec.adapter)]
    return {path: _checksum(path) for path in files}


def pools_made_of(config: NicheConfig, found: Contents) -> Mapping[str, object]:
    """What each pool is made of, by the name of its application."""
    return {
        pool.app_name: (
            pool,
            [found[card_of(spec)] for spec in pool.models if spec.adapter],
        )
        for pool in config.pools
    }


def router_made_of(config: NicheConfig, found: Contents) -> object:
    """What the router is made of."""
    return config.router, found[router_file(config)]


def router_file(config: NicheConfig) -> Path:
    """The file that has the checksums of the router's artifact."""
    return artifact_path(config.router.artifact) / "artifact.json"


def card_of(spec: ModelSpec) -> Path:
    """The card of a model's adapter, which has the checksum of its weights."""
    named = ADAPTERS / str(spec.adapter)
    folder = named if named.is_dir() else Path(str(spec.adapter)).expanduser()
    return folder / CARD


def _checksum(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def require_applicable(old: NicheConfig, new: NicheConfig) -> None:
    """Raises a `ConfigError` if keys differ that take effect at a start alone."""
    if (old.gateway.host, old.gateway.port) != (new.gateway.host, new.gateway.port):
        raise ConfigError("gateway.host and gateway.port take effect at the next start")
    if (old.router.deployment is None) != (new.router.deployment is None):
        raise ConfigError("router.deployment takes effect at the next start")
