"""The state of a server."""

import asyncio

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from loadtests.traffic.client import Server
from loadtests.traffic.probe import ready, requests_in_flight, wait_until_idle, wait_until_ready
from tests.deployments.upstream import serving


class Gauge:
    """A gateway that has so many requests in flight, one fewer each time it is asked."""

    def __init__(self, counts: list[int], *, healthy: bool = True) -> None:
        self.counts, self.healthy = counts, healthy

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/readyz", self._ready), Route("/metrics", self._metrics)])

    def _ready(self, _):
        return PlainTextResponse("", 200 if self.healthy else 503)

    def _metrics(self, _):
        count = self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]
        return PlainTextResponse(
            f"# TYPE niche_requests_in_flight gauge\nniche_requests_in_flight {count}.0\n"
            "niche_requests_in_flight_other 99\n"
        )


async def asked(gauge: Gauge, what, *more):
    async with serving(gauge.app()) as port:
        return await asyncio.to_thread(what, Server(f"http://127.0.0.1:{port}"), *more)


async def test_a_server_is_ready_when_it_says_so() -> None:
    """Not when it says something else."""
    assert await asked(Gauge([0]), ready)
    assert not await asked(Gauge([0], healthy=False), ready)


async def test_requests_in_flight_are_read_from_the_metrics() -> None:
    """The one metric, not others that begin alike."""
    assert await asked(Gauge([4]), requests_in_flight) == 4.0


async def test_a_server_is_idle_when_nothing_is_in_flight() -> None:
    """It is asked until then."""
    gauge = Gauge([2, 1, 0])

    assert await asked(gauge, wait_until_idle, 5.0) == 0.0
    assert gauge.counts == [0]


async def test_a_leak_is_reported_when_time_is_over() -> None:
    """It does not wait for ever."""
    assert await asked(Gauge([3]), wait_until_idle, 0.3) == 3.0


async def test_a_server_that_is_gone_is_not_ready_and_has_no_count() -> None:
    """Which is not zero."""
    absent = Server("http://127.0.0.1:9")

    assert not await asyncio.to_thread(wait_until_ready, absent, 0.3)
    assert await asyncio.to_thread(requests_in_flight, absent) is None
