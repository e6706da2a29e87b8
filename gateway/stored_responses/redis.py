"""Answers in Redis, which gateways of several machines share.

Each caller has, under `niche:{responses:CALLER}:`,

    answer:ID   hash: time, answer, items; Redis forgets it when it is too old
    times       sorted set: the ids by time
    sizes       hash: bytes by id, and `total`

The braces keep all that a script touches together where a proxy spreads keys over servers. Rule:
what belongs together changes in one script, so that gateways cannot come between each other.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from gateway.config import ConfigError, ResponseStoreSection
from gateway.errors import StoreError
from gateway.stored_responses.store import StoredResponse

if TYPE_CHECKING:  # an extra
    from redis.asyncio import Redis

_TIMEOUT_SECONDS = 2.0
"""For whatever is asked of the server: so long the last byte of a model's answer may wait."""

_CONNECTIONS = 32
"""Per gateway; more requests than that wait for each other."""

_KEY = "gateway.response_store.redis_url_env"

_FORGETTING = """
local times, sizes, answers = KEYS[1], KEYS[2], KEYS[3]
local function forget(id)
  redis.call('HINCRBY', sizes, 'total', 0 - (redis.call('HGET', sizes, id) or 0))
  redis.call('HDEL', sizes, id)
  redis.call('ZREM', times, id)
  redis.call('DEL', answers .. id)
end
"""

_SAVE = f"""{_FORGETTING}
local id, now, oldest, room, lifetime, answer, items = unpack(ARGV)
forget(id)
if redis.call('EXISTS', times) == 0 then  -- short of memory, Redis may give up one of the two
  redis.call('DEL', sizes)
end
redis.call('HSET', answers .. id, 'time', now, 'answer', answer, 'items', items)
redis.call('ZADD', times, now, id)
redis.call('HSET', sizes, id, #answer + #items)
redis.call('HINCRBY', sizes, 'total', #answer + #items)
-- A bounded number, since Redis does nothing else meanwhile; nobody gets to read the others.
for _, old in ipairs(redis.call('ZRANGEBYSCORE', times, '-inf', '(' .. oldest, 'LIMIT', 0, 100)) do
  forget(old)
end
while tonumber(redis.call('HGET', sizes, 'total')) > tonumber(room) do
  forget(redis.call('ZRANGE', times, 0, 0)[1])
end
for _, key in ipairs({{answers .. id, times, sizes}}) do
  redis.call('PEXPIRE', key, lifetime)
end
"""

_READ = """
local answers, field, found = KEYS[1], ARGV[1], {}
for index = 2, #ARGV do
  found[index - 1] = redis.call('HMGET', answers .. ARGV[index], 'time', field)
end
return found
"""

_DELETE = f"""{_FORGETTING}
local id, oldest = unpack(ARGV)
local time = tonumber(redis.call('HGET', answers .. id, 'time') or nil)
if not time or time < tonumber(oldest) then
  return 0
end
forget(id)
return 1
"""


class RedisResponses:
    """See `ResponseStore`. It connects when it is first used.

    Args:
        client: of the server; closed together with the store.
        section: its bounds.
        wall_clock: Unix time in seconds.
    """

    def __init__(
        self, client: "Redis", section: ResponseStoreSection, wall_clock: Callable[[], float]
    ) -> None:
        self._client, self._section, self._wall_clock = client, section, wall_clock
        self._save = client.register_script(_SAVE)
        self._found = client.register_script(_READ)
        self._delete = client.register_script(_DELETE)

    async def save(self, caller: str, response_id: str, stored: StoredResponse) -> None:
        """See `ResponseStore`."""
        room, now = self._section.max_bytes_per_key, self._wall_clock()
        if stored.size > room:
            return
        lifetime = int(self._section.max_age_hours * 3_600_000)
        bounds = (now, self._oldest(), room, max(1, lifetime))
        async with _within_time():
            await self._save(
                keys=_keys(caller), args=[response_id, *bounds, stored.answer, stored.items]
            )

    async def answers(self, caller: str, response_ids: Collection[str]) -> dict[str, bytes]:
        """See `ResponseStore`."""
        found = await self._read(caller, response_ids, "answer")
        return {name: value for name, value in found.items() if value is not None}

    async def conversation(self, caller: str, response_id: str) -> bytes | None:
        """See `ResponseStore`."""
        return (await self._read(caller, [response_id], "items"))[response_id]

    async def delete(self, caller: str, response_id: str) -> bool:
        """See `ResponseStore`."""
        async with _within_time():
            deleted = await self._delete(keys=_keys(caller), args=[response_id, self._oldest()])
        return bool(deleted)

    async def close(self) -> None:
        """See `ResponseStore`."""
        await self._client.aclose()

    async def _read(
        self, caller: str, response_ids: Collection[str], field: str
    ) -> dict[str, bytes | None]:
        """A field of each response, in one exchange; None: there is none for this caller."""
        *_, answers = _keys(caller)
        async with _within_time():
            rows = await self._found(keys=[answers], args=[field, *response_ids])
        oldest = self._oldest()
        return {
            name: value if time is not None and float(time) >= oldest else None
            for name, (time, value) in zip(response_ids, rows, strict=True)
        }

    def _oldest(self) -> float:
        return self._wall_clock() - self._section.max_age_hours * 3600


def checked_url(variable: str) -> str:
    """The URL in an environment variable.

    Raises:
        ConfigError: the variable, or the package to use it, is missing, or it is no such URL.
    """
    try:
        from redis import Redis  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigError(
            "gateway.response_store: the client of Redis is not installed here; "
            "install the extra `redis`: pip install -e '.[redis]'"
        ) from None
    url = os.environ.get(variable)
    if not url:
        raise ConfigError(f"{_KEY}: no environment variable {variable} where the gateway runs")
    try:
        Redis.from_url(url).close()  # it has not connected
    except ValueError:  # its words may repeat a part of the password
        raise ConfigError(
            f"{_KEY}: {variable} holds no redis://[user:password@]host:port/database (rediss:// "
            "with TLS); in a password write / as %2F, # as %23 and @ as %40"
        ) from None
    return url


def opened(
    variable: str, section: ResponseStoreSection, wall_clock: Callable[[], float]
) -> RedisResponses:
    """The store at the URL in an environment variable.

    Raises:
        ConfigError: as `checked_url`, or the server does not answer.
    """
    url = checked_url(variable)
    import redis.asyncio as asynchronous  # noqa: PLC0415 - an extra
    from redis import Redis, RedisError  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    settings = _settings()
    try:
        with Redis.from_url(url, **settings) as client:
            client.ping()
    except (RedisError, OSError, TypeError) as error:  # or a parameter that no connection has
        raise ConfigError(f"{_KEY}: the server of {variable} cannot be used: {error}") from error
    pool = asynchronous.BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        # Once, at once: the server may have closed a connection that was idle.
        retry=Retry(NoBackoff(), 1, supported_errors=(asynchronous.ConnectionError,)),
        **settings,
    )
    return RedisResponses(asynchronous.Redis.from_pool(pool), section, wall_clock)


def _settings() -> dict[str, Any]:
    return {
        "protocol": 2,  # every server and proxy has it
        "socket_timeout": _TIMEOUT_SECONDS,
        "socket_connect_timeout": _TIMEOUT_SECONDS,
    }


def _keys(caller: str) -> tuple[str, str, str]:
    """Of the times, of the sizes, and how those of answers begin."""
    own = f"niche:{{responses:{caller}}}:"
    return f"{own}times", f"{own}sizes", f"{own}answer:"


@asynccontextmanager
async def _within_time() -> AsyncIterator[None]:
    """Raises `StoreError` where the server does not do it, or not in time."""
    from redis import RedisError  # noqa: PLC0415 - an extra

    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            yield
    except (RedisError, OSError) as error:
        reason = str(error) or f"no answer within {_TIMEOUT_SECONDS:g} s"
        raise StoreError(f"Redis cannot be used: {reason}") from error
