"""The parts of a local stack and what each is made of: its settings, and the contents of the files
that it loads. A part whose making differs has to be deployed anew."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from deployments.models.adapters import CARD, WEIGHTS, adapter_folder
from deployments.models.errors import ModelError
from deployments.pool import Pool
from deployments.spec import ModelSpec
from gateway.config import ConfigError, NicheConfig
from gateway.routing import artifact_file, checksum

Contents = Mapping[Path, str]
"""A checksum of each file, of weights the size; "" where there is none."""


def contents(config: NicheConfig, *more: Path) -> Contents:
    """Of all files that say what a stack is made of. The cards have the weights' checksums.

    Args:
        config: of the stack.
        more: further files, such as the configuration's own.
    """
    files = [*more, artifact_file(config.router)]
    if config.gateway.api_keys_file is not None:
        files.append(Path(config.gateway.api_keys_file))
    adapted = [spec for spec in config.models if spec.adapter]
    files += [card_of(spec) for spec in adapted]
    weights = {path: _size(path) for path in (card_of(of).with_name(WEIGHTS) for of in adapted)}
    return {path: checksum(path) for path in files} | weights


def _size(path: Path) -> str:
    try:
        return str(path.stat().st_size)
    except OSError:
        return ""


def pools_made_of(config: NicheConfig, found: Contents) -> Mapping[str, object]:
    """What each pool is made of, by the name of its application."""
    return {pool.app_name: _made_of(pool, found) for pool in config.pools}


def _made_of(pool: Pool, found: Contents) -> object:
    loaded = [spec.as_loaded for spec in pool.models]
    cards = [card_of(spec) for spec in pool.models if spec.adapter]
    files = [(found[card], found[card.with_name(WEIGHTS)]) for card in cards]
    # Where gateways keep the limits, other ones need no other replicas.
    limits = None if pool.shared or pool.asked_at_ports else pool.basis.limits
    return pool.shared, loaded, files, limits


def gateway_can_become(old: NicheConfig, new: NicheConfig) -> bool:
    """Whether the gateway's replicas can come to another configuration while they run: not to other
    options of Serve, nor where a model goes, since a process's metrics cannot forget it."""
    same_options = _gateway_options(old) == _gateway_options(new)
    return same_options and _deployments(old).items() <= _deployments(new).items()


def _gateway_options(config: NicheConfig) -> object:
    edge = config.gateway
    return edge.replicas, edge.num_cpus, edge.max_concurrent_requests


def _deployments(config: NicheConfig) -> dict[str, object]:
    """The kind of each model, and the pool that has it."""
    pools = {name: pool.name for pool in config.pools for name in pool.model_names}
    return {spec.name: (spec.kind, pools.get(spec.name)) for spec in config.models}


def card_of(spec: ModelSpec) -> Path:
    """The card of a model's adapter, with the checksum of its weights; nothing need be there."""
    try:
        return adapter_folder(str(spec.adapter)) / CARD
    except ModelError:  # whoever loads it says what is wrong
        return Path(str(spec.adapter)) / CARD


def require_applicable(old: NicheConfig, new: NicheConfig) -> None:
    """Raises a `ConfigError` if keys differ that take effect at a start alone."""
    before, after = (asdict(of.gateway.door) | {"port": of.gateway.port} for of in (old, new))
    if keys := [key for key in before if before[key] != after[key]]:
        raise ConfigError(f"gateway.{keys[0]} takes effect at the next start")
    if (old.router.deployment is None) != (new.router.deployment is None):
        raise ConfigError("router.deployment takes effect at the next start")
