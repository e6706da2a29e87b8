"""Names for tests, without a network."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

from aiohttp.abc import AbstractResolver, ResolveResult


@dataclass
class NameServer(AbstractResolver):
    """A resolver with a script.

    Attributes:
        answers: of each name, one answer after another; the last one stays. An unknown name has no
            address.
        asked: the names that were looked up.
    """

    answers: Mapping[str, Sequence[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._next = {
            name: chain(answers, repeat(answers[-1])) for name, answers in self.answers.items()
        }

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name."""
        self.asked.append(host)
        if host not in self._next:
            raise OSError(f"{host} is unknown")
        return [_result(host, port, address) for address in next(self._next[host])]

    async def close(self) -> None:
        """Nothing to close."""


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
    )
