"""Opens the store that the configuration asks for."""

from collections.abc import Callable

from gateway.config import ConfigError, ResponseStoreSection
from gateway.errors import StoreError
from gateway.stored_responses import redis
from gateway.stored_responses.sqlite import SqliteResponses
from gateway.stored_responses.store import ResponseStore


def opened(section: ResponseStoreSection, wall_clock: Callable[[], float]) -> ResponseStore:
    """The store of the configuration.

    Args:
        section: which, and its bounds.
        wall_clock: Unix time in seconds.

    Raises:
        ConfigError: it cannot be used.
    """
    if section.redis_url_env is not None:
        return redis.opened(section.redis_url_env, section, wall_clock)
    try:
        return SqliteResponses(section.path or "", section, wall_clock)
    except StoreError as error:
        raise ConfigError(f"gateway.response_store.path: {error}") from error
