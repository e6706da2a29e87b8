"""The demonstration against a real server on loopback: it waits, asks, and says what went wrong."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from cli.demo import SAMPLES, show_samples, wait_until_ready
from deployments.protocol import Unavailable
from deployments.spec import ModelSpec
from gateway.config import LaunchError, NicheConfig
from lab.specialists.niches.registry import NICHES
from router.types import GENERAL
from tests.fakes import FakeBackend, FakeClassifier
from tests.gateway.stacks import GENERALIST, SPECIALIST, Gateway, make_gateway

CONFIG = NicheConfig(generalist=GENERALIST, specialists=(SPECIALIST,))
SINGERS = FakeClassifier({"singers": "sql"})
"""Sends the demonstration's sample for `sql` to the specialist."""


@contextmanager
def serving(gateway: Gateway) -> Iterator[str]:
    """A server in a thread, on a port that the system chose."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(gateway.app, ws="none", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def test_every_domain_of_the_default_stack_has_a_sample() -> None:
    """What the demonstration is for can be shown for each."""
    assert set(SAMPLES) == {*NICHES, GENERAL}


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
        pytest.raises(LaunchError, match=r"not ready after 1 s: .*big"),
    ):
        wait_until_ready(url, 0.6)


def test_a_port_where_nobody_listens_is_given_up() -> None:
    """A stack that never came up is told from one that is sick."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

    with pytest.raises(LaunchError, match="ConnectError"):
        wait_until_ready(url, 0.3)


def test_a_row_for_each_domain(capsys: pytest.CaptureFixture[str]) -> None:
    """The table shows who answered what and why, in how much time, at which cost."""
    gateway = make_gateway(FakeBackend("big", ("It", " scatters.")), classifier=SINGERS)

    with serving(gateway) as url:
        assert show_samples(url, CONFIG)

    heads, *lines = capsys.readouterr().out.strip().splitlines()
    assert heads.split() == ["DOMAIN", "CONFIDENCE", "MODEL", "REASON", "SECONDS", "COST"]
    assert [line.split()[::2][:2] for line in lines[::3]] == [
        ["sql", "sql-model"],
        [GENERAL, "big"],
    ]
    assert all(line.endswith(" USD") for line in lines[::3])
    assert lines[1] == f"  > {' | '.join(SAMPLES['sql'].splitlines())}"
    assert lines[4:] == [f"  > {SAMPLES[GENERAL]}", "  It scatters."]


def test_a_sample_that_goes_astray_is_a_failure() -> None:
    """A domain's sample that another domain got makes the demonstration fail."""
    with serving(make_gateway(classifier=FakeClassifier({"sky": "sql"}))) as url:
        assert not show_samples(url, CONFIG)


def test_a_long_answer_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A table is for looking at: an answer takes two lines of a terminal at most."""
    with serving(make_gateway(FakeBackend("big", ("word ",) * 200))) as url:
        show_samples(url, NicheConfig(generalist=GENERALIST))

    shown = capsys.readouterr().out.splitlines()[-1]
    assert shown.endswith(" ...")
    assert len(shown) < 160


def test_a_domain_without_a_sample_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator's own niche does not end the demonstration."""
    poems = ModelSpec(name="poet", model="none", engine="fake", domain="poems")
    config = NicheConfig(generalist=GENERALIST, specialists=(poems,))

    with serving(make_gateway()) as url:
        assert show_samples(url, config)

    assert "poems" not in capsys.readouterr().out


def test_a_request_that_fails_is_an_error() -> None:
    """A model that cannot answer does not pass for one that did."""
    dead = FakeBackend("big", refusal=Unavailable("big", "died"))

    with serving(make_gateway(dead)) as url, pytest.raises(LaunchError, match="model_unavailable"):
        show_samples(url, NicheConfig(generalist=GENERALIST))
