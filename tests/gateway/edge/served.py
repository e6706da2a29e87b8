"""Ray Serve's own configuration of HAProxy, as it writes it for one application."""

from pathlib import Path

from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions

from loadtests.traffic.stack import free_port


def served_config(
    folder: Path, port: int, upstream: int | None, metrics_port: int | None = None
) -> Path:
    """Writes the configuration, as a manager does.

    Args:
        folder: where it lies, with its socket.
        port: of the door.
        upstream: of the only replica; None: no application is known yet.
        metrics_port: of HAProxy's counters; by default a free one.
    """
    config = HAProxyConfig(
        http_options=HTTPOptions(host="127.0.0.1", port=port),
        socket_path=str(folder / "admin.sock"),
        server_state_base=str(folder),
        server_state_file=str(folder / "server-state"),
        stats_port=free_port(),
        metrics_port=metrics_port or free_port(),
        metrics_enabled=False,
        is_head=True,
        hard_stop_after_s=630,
    )
    server = ServerConfig(name="replica", host="127.0.0.1", port=upstream or 0)
    backend = BackendConfig("http-gateway", "/", app_name="gateway", servers=[server])
    path = folder / "haproxy.cfg"
    api = HAProxyApi(config, {} if upstream is None else {backend.name: backend}, str(path))
    if upstream is not None:
        api.set_backend_configs(api.backend_configs)
    api._generate_config_file_internal()
    return path
