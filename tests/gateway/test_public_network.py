"""What images are fetched from is public, whatever names and redirects say."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_network

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.public_network import is_public, public_connector
from tests.gateway.name_server import NameServer
from tests.gateway.stacks import until

INNER = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
    *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32"),
    *("::/128", "::1/128", "::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"),
    *("100::/64", "2001:db8::/32", "2002::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
]
"""Private, loopback, link-local, multicast, reserved, for documents, and those that hold others."""

KINDS = ("private", "loopback", "link_local", "multicast", "unspecified", "reserved")


@pytest.mark.parametrize("network", INNER)
def test_inner_networks_are_not_public(network):
    """From the first address to the last."""
    inner = ip_network(network)

    assert not is_public(str(inner[0]))
    assert not is_public(str(inner[-1]))


@given(st.sampled_from(INNER).flatmap(lambda network: st.ip_addresses(network=network)))
def test_no_address_within_is_public(address):
    """Whichever it is."""
    assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_never_public(inner):
    """Be it mapped, translated or tunnelled."""
    assert not is_public(str(IPv6Address(f"::ffff:{inner}")))
    assert not is_public(str(IPv6Address(int(IPv6Address("64:ff9b::")) + int(inner))))
    assert not is_public(str(IPv6Address((0x2002 << 112) + (int(inner) << 80))))


@given(st.ip_addresses())
def test_what_is_public_is_global(address):
    """By the registry that Python has."""
    if is_public(str(address)):
        assert address.is_global
        assert not any(getattr(address, f"is_{kind}") for kind in KINDS)
        assert isinstance(address, IPv4Address) or address.ipv4_mapped is None


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111"])
def test_public_addresses(address):
    """As most hosts have."""
    assert is_public(address)


@pytest.mark.parametrize("address", ["fe80::1%eth0", "fe80::1%25"])
def test_an_interface_makes_no_address_public(address):
    """A link's address may name one."""
    assert not is_public(address)


async def refused(url, *answers):
    """Opens a URL whose host has these addresses; returns the names that were looked up."""
    names = NameServer({"inner.test": answers} if answers else {})
    soon = aiohttp.ClientTimeout(total=20)  # for a test that fails: the listener never answers
    async with aiohttp.ClientSession(connector=public_connector(names), timeout=soon) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url)
    return names.asked


@pytest.fixture
def listener():
    """Something of the machine itself, which nobody may reach."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.mark.parametrize("url", ["http://inner.test:{}/", "http://127.0.0.1:{}/"])
async def test_nothing_is_sent_to_an_inner_address(listener, url):
    """Neither to that of a name, nor to one in the URL itself."""
    port = listener.getsockname()[1]

    await refused(url.format(port), ["127.0.0.1"])


async def test_all_addresses_of_a_name_are_checked(listener):
    """And each connection looks it up once, so that no second answer takes another's place."""
    port = listener.getsockname()[1]

    inner = ["127.0.0.1", "10.0.0.1", "::1", "fe80::1%lo"]
    asked = await refused(f"http://inner.test:{port}/", inner, ["8.8.8.8"])

    assert asked == ["inner.test"]


@pytest.mark.parametrize("address", ["::1", "::ffff:127.0.0.1"])
async def test_nor_over_the_newer_protocol(listener, address):
    """Whose addresses may mean one of the older."""
    await refused(f"http://[{address}]:{listener.getsockname()[1]}/")


class Counting(ThreadPoolExecutor):
    """Threads that count what they are given."""

    given = 0

    def submit(self, *arguments, **named):
        self.given += 1
        return super().submit(*arguments, **named)


async def test_names_are_looked_up_on_threads_of_their_own(listener):
    """A name that is slow to resolve leaves the loop's threads to the parsing of requests."""
    threads = Counting()
    asyncio.get_running_loop().set_default_executor(threads)
    before = {*threading.enumerate()}

    async with aiohttp.ClientSession(connector=public_connector()) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://localhost:{listener.getsockname()[1]}/")
        assert {*threading.enumerate()} > before

    assert threads.given == 0
    await until(lambda: {*threading.enumerate()} <= before)
