"""What Ray's processes start with: files and ports of their own, and the operator's word first."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ray.serve.config import HTTPOptions

from cli.ray_environment import prepare, ray_environment
from gateway.config import GatewaySection
from gateway.edge.settings import VARIABLE, DoorSettings

STATE, EDGE = Path("/var/lib/stack"), GatewaySection()

FILL = """
import os, sys
from pathlib import Path
from cli.ray_environment import prepare
from gateway.config import GatewaySection
prepare(Path(sys.argv[1]), os.environ, GatewaySection())
import ray
ray.init(address="local", num_cpus=1, include_dashboard=False, _temp_dir=sys.argv[1])
ray.get(ray.remote(lambda: os.write(2, (b"x" * 99 + b"\\n") * 10_000)).remote())
ray.shutdown()
"""
"""A worker writes 1 MB to its standard error."""


def test_nothing_is_reported_to_anybody() -> None:
    """Neither Ray nor the hub's library nor ONNX Runtime nor vLLM sends statistics."""
    added = ray_environment(STATE, {}, EDGE)

    assert added["RAY_USAGE_STATS_ENABLED"] == "0"
    assert added["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert added["ORT_DISABLE_TELEMETRY"] == "1"
    assert added["VLLM_NO_USAGE_STATS"] == "1"


def test_what_is_secret_is_the_user_s(tmp_path: Path) -> None:
    """Ray's token has no reader, and temporary files lie in the stack's directory."""
    environ: dict[str, str] = {}

    prepare(tmp_path, environ, GatewaySection(host="192.0.2.7"))

    token = Path(environ["RAY_AUTH_TOKEN_PATH"])
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(token.read_text()) == 64
    assert Path(environ["TMPDIR"]).is_relative_to(tmp_path)


def test_what_the_operator_set_is_left_alone() -> None:
    """A variable that exists is not among those to add, whatever its value."""
    every = ray_environment(STATE, {}, EDGE)
    own = dict.fromkeys(list(every)[::2], "mine")

    assert ray_environment(STATE, own, EDGE).keys() == every.keys() - own.keys()
    assert ray_environment(STATE, dict.fromkeys(every, ""), EDGE) == {}


def test_the_environment_is_told_and_not_changed() -> None:
    """The function returns what to add; it writes nowhere."""
    environ = {"PATH": "/bin"}

    ray_environment(STATE, environ, EDGE)

    assert environ == {"PATH": "/bin"}


@pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheel is for Linux alone")
def test_two_stacks_do_not_meet() -> None:
    """Every file of HAProxy's lies in the stack's own directory, and its ports are real ones."""
    added = ray_environment(STATE, {}, EDGE)
    paths = [value for value in added.values() if value.startswith("/")]
    ports = [value for key, value in added.items() if key.endswith("_PORT")]

    assert len(paths) == 7
    assert all(Path(path).is_relative_to(STATE) for path in paths)
    assert len(ports) == 3
    assert all(1024 <= int(port) <= 65535 for port in ports)


@pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheel is for Linux")
def test_a_replaced_haproxy_has_time_for_a_last_answer() -> None:
    """Its request may come as late as Serve has an idle connection kept."""
    added = ray_environment(STATE, {}, EDGE)

    last = int(added["RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S"]) - HTTPOptions().keep_alive_timeout_s
    assert last >= int(added["RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S"]) == 605


@pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheel is for Linux")
def test_the_door_knows_what_the_gateway_s_section_says() -> None:
    """Its launcher reads it from the environment: it has no packages to read the file with."""
    edge = GatewaySection(
        host="0.0.0.0",
        head_timeout_seconds=2.5,
        max_connections_per_client=7,
        max_gets_per_client=8,
        trusted_proxies=("10.0.0.0/8",),
    )

    added = ray_environment(STATE, {}, edge)

    expected = DoorSettings("0.0.0.0", 2.5, 7, 8, ("10.0.0.0/8",))
    assert DoorSettings.from_environment(added) == expected
    assert VARIABLE not in ray_environment(STATE, {VARIABLE: ""}, edge)


@pytest.mark.skipif(sys.platform != "linux", reason="a socket's path is bounded on Linux")
def test_the_socket_fits_where_temporary_directories_lie() -> None:
    """A Unix socket's path may hold 107 bytes; that of a usual temporary directory does."""
    added = ray_environment(Path("/tmp/niche-abcdefgh"), {}, EDGE)

    assert len(added["RAY_SERVE_HAPROXY_SOCKET_PATH"]) <= 107


@pytest.mark.slow
def test_a_worker_s_log_is_rotated() -> None:
    """Files are no larger than the size that is set, and five old ones are kept."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own have names too long for sockets
        subprocess.run(
            [sys.executable, "-c", FILL, folder],
            env=os.environ | {"RAY_ROTATION_MAX_BYTES": "10000"},
            check=True,
        )
        sizes = {
            file.name.rpartition(".err")[2]: file.stat().st_size
            for file in Path(folder).glob("session_latest/logs/worker-*.err*")
            if file.stat().st_size
        }

    assert sizes.keys() == {"", ".1", ".2", ".3", ".4", ".5"}
    assert max(sizes.values()) <= 10_000
