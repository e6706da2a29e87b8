"""Authentication by keys, compared in constant time. Guards `/v1/`; probes and metrics stay open.

A key comes as `authorization: Bearer`, as OpenAI's clients send it, or as `x-api-key`, as
Anthropic's do.

    a-key              may send requests
    operator another   may also change specialists: their states, and which there are

Rule: if the file has no operator's key, every key counts as an operator's.
"""

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import InvalidApiKey

_OPERATOR, _CALLER = "operator ", "niche.caller"
_OPERATOR_PATHS = ("/v1/niche/lifecycle/", "/v1/niche/specialists")


class ApiKeys:
    """The accepted keys; only their digests are kept, so no `repr` or dump shows one.

    Args:
        keys: may send requests.
        operators: may also change specialists; if there are none, every key may.

    Raises:
        ValueError: there is no key, so every request would be refused.
    """

    def __init__(self, keys: Iterable[str], operators: Iterable[str] = ()) -> None:
        self._operators = _digests(operators)
        self._digests = _digests(keys) + self._operators
        if not self._digests:
            raise ValueError("no API key; give at least one, or remove gateway.api_keys_file")

    @classmethod
    def from_file(cls, path: Path) -> "ApiKeys":
        """Reads one key per line, prefixed with `operator` for an operator's key; skips blank
        lines.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file holds no key.
        """
        lines = path.read_text(encoding="utf-8").splitlines()
        keys = [line.strip() for line in lines if line.strip()]
        operators = [key.removeprefix(_OPERATOR) for key in keys if key.startswith(_OPERATOR)]
        return cls((key for key in keys if not key.startswith(_OPERATOR)), operators)

    def accept(self, key: bytes) -> bool:
        """Whether the key is accepted; takes the same time for every key."""
        return _among(key, self._digests)

    def accept_operator(self, key: bytes) -> bool:
        """Whether the key may change specialists."""
        return _among(key, self._operators or self._digests)


def caller_of(scope: Scope) -> str:
    """What stands for the key of a request; without keys all callers are one."""
    return str(scope.get(_CALLER, ""))


class Authentication:
    """Refuses requests to `/v1/` without an accepted key."""

    def __init__(self, app: ASGIApp, keys: ApiKeys | None) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and self._keys is not None and scope["path"].startswith("/v1/"):
            key = _sent(scope)
            if not self._keys.accept(key):
                raise _refused("The API key is missing or not valid")
            operates = scope["path"].startswith(_OPERATOR_PATHS)
            if operates and not self._keys.accept_operator(key):
                raise _refused("This request needs an operator's API key")
            scope[_CALLER] = hashlib.sha256(key.strip()).hexdigest()
        await self._app(scope, receive, send)


def _sent(scope: Scope) -> bytes:
    """The key of a request; empty if there is none."""
    headers = dict(scope["headers"])
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    sent: bytes = key if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
    return sent.strip()


def _digests(keys: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(key.encode("utf-8")).digest() for key in keys)


def _among(key: bytes, digests: tuple[bytes, ...]) -> bool:
    digest = hashlib.sha256(key).digest()
    return sum(hmac.compare_digest(digest, accepted) for accepted in digests) > 0


def _refused(reason: str) -> InvalidApiKey:
    return InvalidApiKey(
        f"{reason}; send the header 'authorization: Bearer <key>' or 'x-api-key: <key>'.",
        headers={"www-authenticate": "Bearer"},
    )
