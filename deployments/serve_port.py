"""Where Ray Serve's own port of a replica listens: at the node's address, and at no other.

Serve gives each replica a port for the calls of handles, on all interfaces, and has no setting for
that. It takes calls of those alone who know Ray's token; who cannot reach it need not be refused.

Rule: the one place that changes something inside Ray. A test opens a replica's port, so that a Ray
in which this does nothing is noticed.
"""

from typing import Any

from ray._common.network_utils import build_address
from ray._common.tls_utils import add_port_to_grpc_server
from ray.serve._private import replica
from ray.util import get_node_ip_address

_EVERYWHERE = "[::]:0"


def listen_at_the_node() -> None:
    """Has Serve open the port of this process's replica where other nodes ask it. Serve does that
    after it made the deployment's class: its constructor calls this."""
    here = build_address(get_node_ip_address(), 0)

    def add_port(server: Any, address: str) -> int:
        port: int = add_port_to_grpc_server(server, here if address == _EVERYWHERE else address)
        return port

    replica.add_port_to_grpc_server = add_port
