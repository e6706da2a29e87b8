"""What the door allows a client, as `gateway` of niche.yaml says it.

Rule: each field is called as its key there. The launcher, which has no packages to read that file
with, is told in a variable of its environment.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

VARIABLE = "NICHE_EDGE"
"""The variable: an object of JSON with those that differ from the defaults."""


@dataclass(frozen=True)
class DoorSettings:
    """The limits of the door, and what it listens on.

    Attributes:
        host: the address to listen on; empty: Serve's.
        head_timeout_seconds: for the head of a request, and for the first 15 kB of its body.
        max_connections_per_client: of one address, or of one network of IPv6 (/64); 0: no bound.
        max_gets_per_client: its GET requests in ten seconds; 0: no bound.
        trusted_proxies: addresses and networks whose `x-forwarded-for` is believed.
        probes: whether Serve's `/-/healthz` is open, as KubeRay needs it.
    """

    host: str = ""
    head_timeout_seconds: float = 10
    max_connections_per_client: int = 2048
    max_gets_per_client: int = 300
    trusted_proxies: tuple[str, ...] = ()
    probes: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "DoorSettings":
        """Those of the variable; the defaults without it.

        Raises:
            ValueError, TypeError: it holds something else.
        """
        told = json.loads(environ.get(VARIABLE) or "{}")
        return cls(**{**told, "trusted_proxies": tuple(told.get("trusted_proxies", ()))})

    def as_variable(self) -> str:
        """What `from_environment` reads."""
        return json.dumps(asdict(self))
