"""The port that Ray Serve gives each replica listens where other nodes ask it, and only there."""

import inspect
from collections.abc import Iterator

import pytest
from ray.serve._private import replica
from ray.util import get_node_ip_address

from deployments.serve_port import listen_at_the_node


class Server:
    """Notes where it is to listen."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    def add_insecure_port(self, address: str) -> int:
        self.addresses.append(address)
        return 40_000


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = replica.add_port_to_grpc_server
    yield
    replica.add_port_to_grpc_server = before


def test_the_port_is_the_node_s() -> None:
    """Another address is left as it is asked for."""
    listen_at_the_node()
    server = Server()

    assert replica.add_port_to_grpc_server(server, "[::]:0") == 40_000
    replica.add_port_to_grpc_server(server, "127.0.0.1:7")

    assert server.addresses == [f"{get_node_ip_address()}:0", "127.0.0.1:7"]


def test_serve_asks_as_it_is_expected_to() -> None:
    """A Ray that does not would listen everywhere."""
    assert 'add_port_to_grpc_server(self._server, "[::]:0")' in inspect.getsource(replica)
