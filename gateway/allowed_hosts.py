"""Answers only those who call the gateway by a name that the operator allows.

A page may have its own name resolve to this machine (DNS rebinding); a browser then lets it read
the answers of a gateway that only loopback reaches. It still says the page's name as `host`.
"""

from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import HostNotAllowed

_PROBES = frozenset({"/healthz", "/readyz"})
"""Who asks these, as Kubernetes does, knows an address and no name."""


class AllowedHosts:
    """Refuses requests for other hosts.

    Args:
        app: serves the request.
        hosts: the names, in lower case; those that begin with `*.` stand for all below.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._names = frozenset(host for host in hosts if not host.startswith("*"))
        self._above = tuple(host[1:] for host in hosts if host.startswith("*"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and scope["path"] not in _PROBES:
            name = _named(scope)
            if name not in self._names and not name.endswith(self._above):
                raise HostNotAllowed(
                    f"The gateway does not answer as {name[:80]!a}; gateway.allowed_hosts has "
                    "the names by which it does."
                )
        await self._app(scope, receive, send)


def _named(scope: Scope) -> str:
    """The host that a request is for, without its port; empty if it names none."""
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host
