"""Connections that reach public addresses alone, whatever a name resolves to.

Rule: the address that is checked is the one that is connected to. A name is looked up once for each
connection, and the check is where its socket is made, after which nothing looks it up again.
"""

import socket
import ssl
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Network, ip_address

import aiohttp
from aiohttp.abc import AbstractResolver

from deployments.authorities import trusted_authorities

_UNICAST = IPv6Network("2000::/3")
"""All that is assigned for public hosts; outside are loopback, link-local, unique local, multicast
and the forms that hold an IPv4 address (`::ffff:0:0/96`, `64:ff9b::/96`)."""

_6TO4 = IPv6Network("2002::/16")
"""Which holds an IPv4 address too."""


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
        resolver: looks names up; None: as the system does.
        allows: whether an address may be connected to.
        authorities: whom to trust; None: as all connections do.
    """

    def checked(address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (host, *_) = address
        if not allows(str(host)):
            raise ConnectionRefusedError("the address is not public")
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(
        resolver=resolver,
        use_dns_cache=False,
        force_close=True,
        ssl=authorities or trusted_authorities(),
        socket_factory=checked,
    )
