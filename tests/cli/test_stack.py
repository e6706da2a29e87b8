"""Which changes a stack takes; and waiting for one, against a real server on loopback."""

import socket
import threading
import time
from argparse import Namespace
from pathlib import Path

import pytest
import yaml

from cli.faults import faults
from cli.stack import wait_until_ready, wanted
from gateway.config import ConfigError, LaunchError
from gateway.config_file import load_config
from tests.cli.servers import serving
from tests.fakes import FakeBackend
from tests.gateway.stacks import make_gateway


def test_a_ready_stack_is_not_waited_for() -> None:
    """It returns at the first good answer."""
    with serving(make_gateway()) as url:
        started = time.monotonic()
        wait_until_ready(url, 30)

    assert time.monotonic() - started < 10


def test_a_stack_that_becomes_ready_is_waited_for() -> None:
    """A model that is still loading is asked again until it can answer."""
    big = FakeBackend("big", illness="still loading")
    gateway = make_gateway(big)

    def recover() -> None:
        big.illness = None
        gateway.clock.advance(60)  # a verdict gets old, and is asked for again

    with serving(gateway) as url:
        threading.Timer(0.3, recover).start()
        wait_until_ready(url, 30)

    assert big.illness is None


def test_a_stack_that_stays_sick_is_given_up() -> None:
    """The error tells how long it waited and which model was the cause."""
    big = FakeBackend("big", illness="no weights")

    with (
        serving(make_gateway(big)) as url,
        pytest.raises(LaunchError, match="big"),
    ):
        wait_until_ready(url, 0.6)


def test_what_was_missing_before_is_not_waited_for() -> None:
    """A change does not wait for an upstream that is away anyway."""
    with serving(make_gateway(FakeBackend("big", illness="away"))) as url:
        wait_until_ready(url, 30, {"big"})


def test_a_port_where_nobody_listens_is_given_up() -> None:
    """The error says that nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

    with pytest.raises(LaunchError, match="no answer"):
        wait_until_ready(url, 0.3)


@pytest.mark.parametrize("before", [0, 1])
def test_a_fault_that_a_stack_has_anyway_refuses_no_change(tmp_path: Path, before: int) -> None:
    """Wherever the model stands in its list now; a fault of its own does."""
    names = [f"s{number}" for number in range(before)] + ["far"]
    arguments = Namespace(config=tmp_path / "niche.yaml", port=None)
    write(arguments.config, *names)
    tolerated = faults(load_config(arguments.config), tmp_path)
    write(arguments.config, "far", "other")

    with pytest.raises(ConfigError) as refused:
        wanted(arguments, tolerated)

    assert [line.partition(": ")[0] for line in str(refused.value).splitlines()] == [
        "specialists[1].engine_options.api_key_env"
    ]
    write(arguments.config, "far")
    assert [spec.name for spec in wanted(arguments, tolerated).specialists] == ["far"]


def write(file: Path, *names: str) -> None:
    """Specialists without their variable."""
    options = {"base_url": "http://x/v1", "api_key_env": "NICHE_TEST_UNSET"}
    other = {"model": "m", "engine": "openai", "engine_options": options, "domain": "sql"}
    big = {"name": "big", "model": "m", "engine": "fake"}
    models = {"generalist": big, "specialists": [other | {"name": name} for name in names]}
    file.write_text(yaml.safe_dump(models))
