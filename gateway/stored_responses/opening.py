"""Opens the store that the configuration asks for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.config import ConfigError, ResponseStoreSection
from gateway.errors import StoreError
from gateway.stored_responses import redis, sqlite
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
    with _in_the_configuration():
        return sqlite.SqliteResponses(section.path or "", section, wall_clock)


def check(path: str) -> None:
    """Checks the file that is there at a path of the configuration. Changes nothing.

    Raises:
        ConfigError: it cannot be used.
    """
    with _in_the_configuration():
        sqlite.check(path)


@contextmanager
def _in_the_configuration() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise ConfigError(f"gateway.response_store.path: {error}") from error
