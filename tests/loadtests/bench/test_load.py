"""A load, with wrk or with the client's processes."""

import asyncio
import shutil

import pytest

from loadtests.bench.bodies import write_bodies
from loadtests.bench.load import (
    Limits,
    Target,
    read_wrk,
    run_streams,
    run_whole,
    run_wrk,
    wrk_version,
)
from loadtests.bench.upstream import STREAM_TOKENS
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from tests.loadtests.bench.server import upstream

OUTPUT = """Running 6s test @ http://127.0.0.1:1/v1
  110 requests in 2.00s, 3MB read

{"requests": 110, "seconds": 2.0, "p50": 0.25, "p99": 0.5, "status": 10, "timeout": 3, "socket": 2}
"""


async def loaded(run, tmp_path, *, stream: bool, clients: int, seconds: float):
    async with upstream(pace=0.001) as port:
        bodies = write_bodies(tmp_path, "m", stream=stream)
        target = Target(Server(f"http://127.0.0.1:{port}", "secret"), bodies)
        return await asyncio.to_thread(run, target, clients, seconds, 0, Limits(5.0, 2))


def test_the_figures_of_wrk_are_its_last_line() -> None:
    """An answer with an error status is no answer."""
    run = read_wrk(OUTPUT, clients=16)

    assert (run.requests_per_second, run.p50, run.p99) == (50.0, 0.25, 0.5)
    assert (run.completed, run.failed, run.timed_out) == (100, 12, 3)


def test_what_wrk_abandons_is_half_done() -> None:
    """So much work was done for each client's last request."""
    assert read_wrk(OUTPUT, clients=16).worked == 100 + 12 + 3 + 8


def test_without_an_answer_there_are_no_times() -> None:
    """Not zero seconds."""
    line = (
        '{"requests": 0, "seconds": 2, "p50": 0, "p99": 0, "status": 0, "timeout": 4, "socket": 0}'
    )
    run = read_wrk(line, clients=4)

    assert (run.p50, run.p99, run.requests_per_second) == (None, None, 0.0)


def test_an_output_without_figures_is_an_error() -> None:
    """It is shown."""
    with pytest.raises(LoadTestError, match="unable to connect"):
        read_wrk("unable to connect", clients=4)


async def test_the_client_gives_whole_answers(tmp_path) -> None:
    """From several processes, at least one for each client, and leaves nothing under way."""
    run = await loaded(run_whole, tmp_path, stream=False, clients=40, seconds=0.3)

    assert run.completed >= 40
    assert (run.abandoned, run.failed, run.timed_out) == (0, 0, 0)


async def test_the_client_gives_streams(tmp_path) -> None:
    """Each to its end."""
    run = await loaded(run_streams, tmp_path, stream=True, clients=3, seconds=0.3)

    assert len(run.streams) >= 3
    assert {(of.tokens, of.complete) for of in run.streams} == {(STREAM_TOKENS, True)}
    assert run.failed == 0


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
async def test_wrk_gives_whole_answers(tmp_path) -> None:
    """With our script."""
    run = await loaded(run_wrk, tmp_path, stream=False, clients=2, seconds=1.0)

    assert wrk_version()
    assert run.completed > 0
    assert (run.failed, run.timed_out) == (0, 0)


def test_a_client_that_fails_is_an_error(tmp_path) -> None:
    """With the end of what it said."""
    bodies = tmp_path / "bodies"
    bodies.write_text("{}\n")
    target = Target(Server("http://127.0.0.1:99999"), bodies)
    with pytest.raises(LoadTestError, match="Port"):
        run_streams(target, 1, 0.1, 0, Limits(1.0, 1))
