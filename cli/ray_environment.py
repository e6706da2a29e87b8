"""The environment that Ray's processes start in. Ray reads it at import: it must be set before.

Rule: this file imports nothing of Ray, and a variable that the operator set is left alone.
"""

import socket
import sys
from collections.abc import Mapping
from pathlib import Path


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def ray_environment(state_dir: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """What to add to the environment of a stack on this machine.

    Args:
        state_dir: a directory of this stack alone; HAProxy's files go there.
        environ: the environment as it is.
    """
    wanted = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",  # alike in every process, or they refuse each other
        "RAY_worker_niceness": "0",  # Ray's default of 15 loses to everything else on the machine
        "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",  # after 5 s a busy machine's proxy is killed
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    if (
        sys.platform == "linux"
    ):  # HAProxy's wheel is for Linux alone; elsewhere Serve's own proxy serves
        wanted |= _haproxy(state_dir)
    return {key: value for key, value in wanted.items() if key not in environ}


def _haproxy(state_dir: Path) -> dict[str, str]:
    """Files and ports of its own, so that two stacks on one machine do not meet."""
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(state_dir / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(state_dir / "haproxy.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(state_dir),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(state_dir / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": _free_port(),
        "RAY_SERVE_HAPROXY_METRICS_PORT": _free_port(),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": _free_port(),
    }
