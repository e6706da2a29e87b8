"""Connections that reach public addresses alone, whatever a name resolves to.

Rule: the address that is checked is the one that is connected to. A name is looked up once for each
connection, and the check is where its socket is made, after which nothing looks it up again.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from deployments.authorities import trusted_authorities

_UNICAST = IPv6Network("2000::/3")
"""All that is assigned for public hosts; outside are loopback, link-local, unique local, multicast
and the forms that hold an IPv4 address (`::ffff:0:0/96`, `64:ff9b::/96`)."""

_6TO4 = IPv6Network("2002::/16")
"""Which holds an IPv4 address too."""

_LOOKUPS = 4
"""Names that are looked up at once."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet.

    Raises:
        ValueError: it is none.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast
    return ip.is_global and ip in _UNICAST and ip not in _6TO4


def public_connector(
    resolver: AbstractResolver | None = None,
    allows: Callable[[str], bool] = is_public,
    authorities: ssl.SSLContext | None = None,
) -> aiohttp.TCPConnector:
    """A connector, for the running loop, to public addresses. At another one nobody listens.

    Args:
        resolver: looks names up, and is closed with the connector; None: as the system does.
        allows: whether an address may be connected to.
        authorities: whom to trust; None: as all connections do.
    """

    def checked(address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (host, *_) = address
        if not allows(str(host)):
            raise ConnectionRefusedError("the address is not public")
        return socket.socket(family, kind, protocol)

    return _ResolvingConnector(
        resolver or SystemResolver(),
        use_dns_cache=False,
        force_close=True,
        ssl=authorities or trusted_authorities(),
        socket_factory=checked,
    )


class SystemResolver(AbstractResolver):
    """Looks names up as the system does, on threads of its own: nothing ends a lookup that is slow,
    and the loop's own threads have other work, such as parsing requests."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="names")

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name, without the interfaces of those that are not public.

        Raises:
            OSError: it has none.
            UnicodeError: no name can be so.
        """
        ask = partial(
            socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    @override
    async def close(self) -> None:
        """Begins no further lookup."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _ResolvingConnector(aiohttp.TCPConnector):
    """A connector whose resolver is its own; aiohttp closes none that it is given."""

    def __init__(self, resolver: AbstractResolver, **options: Any) -> None:
        super().__init__(resolver=resolver, **options)
        self._own_resolver = resolver

    @override
    async def close(self, *, abort_ssl: bool = False) -> None:
        """Closes both."""
        await super().close(abort_ssl=abort_ssl)
        await self._own_resolver.close()
