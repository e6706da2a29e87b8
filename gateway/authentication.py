"""Authentication by keys, compared in constant time, and what each key may. Guards `/v1/`; probes
and metrics stay open.

A key comes as `authorization: Bearer`, as OpenAI's clients send it, or as `x-api-key`, as
Anthropic's do. A line of the file is one of

    KEY             may send requests
    grader KEY      may also grade the answers to it: scores, corrections, both answers of a pair
    operator KEY    may also grade every answer, and change specialists: states, and which there are

Rule: what the file gives to no key, no key may. Without a file all callers are one and may do
everything.
"""

import hashlib
import hmac
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import InvalidApiKey, PermissionDenied

_CALLER, _ROLE = "niche.caller", "niche.role"


class Role(IntEnum):
    """What a key may; each may also what those before it may."""

    CALLER = 0
    GRADER = 1
    OPERATOR = 2


_MARKS = {role.name.lower(): role for role in (Role.GRADER, Role.OPERATOR)}
_NEEDED = (
    ("/v1/feedback", Role.GRADER),
    ("/v1/niche/pairs/", Role.GRADER),
    ("/v1/niche/lifecycle/", Role.OPERATOR),
    ("/v1/niche/specialists", Role.OPERATOR),
)
"""What is needed at the paths that begin so."""


class ApiKeys:
    """The accepted keys; only their digests are kept, so no `repr` or dump shows one.

    Args:
        keys: may send requests.
        graders: may also grade the answers to them.
        operators: may also grade every answer and change specialists.

    Raises:
        ValueError: there is no key, so every request would be refused.
    """

    def __init__(
        self, keys: Iterable[str], graders: Iterable[str] = (), operators: Iterable[str] = ()
    ) -> None:
        self._digests = {
            Role.CALLER: _digests(keys),
            Role.GRADER: _digests(graders),
            Role.OPERATOR: _digests(operators),
        }
        if not any(self._digests.values()):
            raise ValueError("no API key; give at least one, or remove gateway.api_keys_file")

    @classmethod
    def from_file(cls, path: Path) -> "ApiKeys":
        """Reads one key per line, after its mark if it has one; skips blank lines.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is not UTF-8, or holds no key, or a line that is none; the message
                shows no line.
        """
        found: dict[Role, list[str]] = {role: [] for role in Role}
        for number, line in enumerate(_text(path).splitlines(), 1):
            match line.split():
                case []:
                    pass
                case [key] if key not in _MARKS:
                    found[Role.CALLER].append(key)
                case [mark, key] if mark in _MARKS:
                    found[_MARKS[mark]].append(key)
                case _:
                    raise ValueError(
                        f"line {number} is none of `KEY`, `grader KEY` and `operator KEY`; "
                        "a key is one word"
                    )
        return cls(*found.values())

    def role_of(self, key: bytes) -> Role | None:
        """What a key may; None: it is not accepted. Takes the same time for every key."""
        digest = hashlib.sha256(key).digest()
        accepted = [role for role, some in self._digests.items() if _among(digest, some)]
        return max(accepted, default=None)

    def has(self, role: Role) -> bool:
        """Whether any key may that much."""
        return any(some for of, some in self._digests.items() if of >= role)


def caller_of(scope: Scope) -> str:
    """What stands for the key of a request; without keys all callers are one."""
    return str(scope.get(_CALLER, ""))


def gradable(scope: Scope) -> str | None:
    """The caller to whom an answer must have been given so that this one may grade it; None: any,
    to operators."""
    return None if scope[_ROLE] is Role.OPERATOR else caller_of(scope)


class Authentication:
    """Refuses requests to `/v1/` without an accepted key, or whose key may not do that."""

    def __init__(self, app: ASGIApp, keys: ApiKeys | None) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            if self._keys is None:
                scope[_ROLE] = Role.OPERATOR
            else:
                key = _sent(scope)
                scope[_ROLE] = _allowed(self._keys, key, scope["path"])
                scope[_CALLER] = hashlib.sha256(key).hexdigest()
        await self._app(scope, receive, send)


def _allowed(keys: ApiKeys, key: bytes, path: str) -> Role:
    """What a key may, if that is enough for a path."""
    role = keys.role_of(key)
    if role is None:
        raise InvalidApiKey(
            "The API key is missing or not valid; send the header 'authorization: Bearer <key>' or "
            "'x-api-key: <key>'.",
            headers={"www-authenticate": "Bearer"},
        )
    needed = max((of for beginning, of in _NEEDED if path.startswith(beginning)), default=role)
    if role < needed:
        marks = [f"`{mark} KEY`" for mark, of in _MARKS.items() if of >= needed]
        named = "" if keys.has(needed) else "; it names none yet"
        raise PermissionDenied(
            f"This API key may not do this: it needs a key that stands in a line "
            f"{' or '.join(marks)} of the file gateway.api_keys_file{named}."
        )
    return role


def _sent(scope: Scope) -> bytes:
    """The key of a request; empty if there is none."""
    headers = dict(scope["headers"])
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    sent: bytes = key if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
    return sent.strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # editors may begin a file with its mark
    except UnicodeDecodeError:
        # Its message would show a byte of a key.
        raise ValueError("not UTF-8; save it as UTF-8 text") from None


def _digests(keys: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(key.encode("utf-8")).digest() for key in keys)


def _among(digest: bytes, digests: tuple[bytes, ...]) -> bool:
    return sum(hmac.compare_digest(digest, accepted) for accepted in digests) > 0
