"""Who may ask: bearer keys, compared in constant time. Guards `/v1/`; probes and metrics stay
open."""

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import InvalidApiKey

__all__ = ["ApiKeys", "Authentication"]


class ApiKeys:
    """The accepted keys; only their digests are kept, so no `repr` or dump shows one.

    Raises:
        ValueError: there is none, which would lock everybody out.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(hashlib.sha256(key.encode("utf-8")).digest() for key in keys)
        if not self._digests:
            raise ValueError("no API key; give at least one, or remove gateway.api_keys_file")

    @classmethod
    def from_file(cls, path: Path) -> "ApiKeys":
        """Reads one key per line; blank lines do not count.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds no key.
        """
        lines = path.read_text(encoding="utf-8").splitlines()
        return cls(line.strip() for line in lines if line.strip())

    def accept(self, key: bytes) -> bool:
        """Whether the key is one of these; takes the same time whichever it is."""
        digest = hashlib.sha256(key).digest()
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0


class Authentication:
    """Lets requests to `/v1/` pass with an accepted key alone."""

    def __init__(self, app: ASGIApp, keys: ApiKeys | None) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and self._keys is not None and scope["path"].startswith("/v1/"):
            scheme, _, key = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not self._keys.accept(key.strip()):
                raise InvalidApiKey(
                    "No valid API key; send the header 'authorization: Bearer <key>'.",
                    headers={"www-authenticate": "Bearer"},
                )
        await self._app(scope, receive, send)
