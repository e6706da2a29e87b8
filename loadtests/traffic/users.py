"""Locust's part: users that ask as a scenario says, its bounds, and what processes tell each other.

An open loop's user is a source: its `wait_time` is the time to the next arrival, and it does not
wait for answers. A closed loop's user is a client: it asks, reads, and thinks.

Locust's own statistics get a row per domain for whole answers, and rows `TTFT` and `ITL` for the
time to the first token and between tokens. Those are entered without Locust's totals, which would
count them as requests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from random import Random
from time import perf_counter
from typing import Any

import gevent
from gevent.pool import Pool
from locust import LoadTestShape, User, task
from locust.env import Environment
from locust.exception import LocustError, StopUser

from loadtests.traffic.answer import Answer
from loadtests.traffic.arrivals import Share, arrivals
from loadtests.traffic.caller import Caller, Manner, Server
from loadtests.traffic.ledger import PATIENT, Ledger
from loadtests.traffic.prompts import Drawn, Prompts
from loadtests.traffic.scenario import Closed, Scenario

_PER_WORKER = 100_000
"""More users than a worker has: so that no two sources of a run have one number."""
_IDLE_SECONDS = 1.0
_MARGIN_SECONDS = 1.0
"""Users begin a moment after the run does."""
_UNANSWERED = ("refused", "failed", "unsent", "unfinished")


class Unanswered(LocustError):
    """How Locust is told that a request was not answered."""


class Traffic:
    """A run in this process.

    Args:
        scenario: of the run.
        prompts: of the scenario.
        server: who is asked.
        worker: the number of this process; 0 where it is the only one.
    """

    def __init__(self, scenario: Scenario, prompts: Prompts, server: Server, worker: int) -> None:
        self.scenario, self.prompts, self.server = scenario, prompts, server
        self.caller = Caller(server, scenario.timeout_seconds)
        self.ledger, self.new = Ledger(), Ledger()
        self.in_flight = 0
        self.started: float | None = None
        self._first, self._sources = worker * _PER_WORKER, 0
        self._workers: dict[str, Mapping[str, Any]] = {}

    def source(self) -> int:
        """The number of a new source or client."""
        self._sources += 1
        return self._first + self._sources - 1

    @property
    def elapsed(self) -> float:
        """Seconds since the run began; 0 while the server is warmed up."""
        return 0.0 if self.started is None else perf_counter() - self.started

    def body(self, drawn: Drawn) -> dict[str, Any]:
        """The request for a prompt."""
        return {
            "model": self.scenario.model,
            "messages": [{"role": "user", "content": drawn.text}],
            "max_tokens": self.scenario.max_tokens or drawn.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def count(self, answer: Answer, drawn: Drawn, reader: str, due: float) -> None:
        """Enters a request; `due`: seconds after the beginning."""
        third = min(int(3 * due / self.scenario.seconds), 2) + 1
        for ledger in (self.ledger, self.new):
            ledger.add(answer, drawn.domain, reader, third)

    def told(self) -> dict[str, Any]:
        """What a worker tells since it told last."""
        news, self.new = self.new, Ledger()
        return {"ledger": news.fields(), "in_flight": self.in_flight, "elapsed": self.elapsed}

    def hear(self, worker: str, told: Mapping[str, Any]) -> None:
        """What the master hears of a worker."""
        self.ledger.merge(told["ledger"])
        self._workers[worker] = told

    def over(self, patience: float) -> bool:
        """Whether all requests have come and are answered, here and in every worker."""
        end = self.scenario.seconds + _MARGIN_SECONDS
        if self.elapsed >= end + patience:
            return True
        here = {"in_flight": self.in_flight, "elapsed": self.elapsed}
        processes = self._workers.values() or (here,)
        return all(of["elapsed"] >= end and not of["in_flight"] for of in processes)


def keep(environment: Environment, traffic: Traffic | None) -> None:
    """Puts a run where users find it."""
    environment.traffic = traffic  # type: ignore[attr-defined]  # an Environment takes more


def traffic_of(environment: Environment) -> Traffic | None:
    """The run that goes on."""
    return getattr(environment, "traffic", None)


@dataclass(frozen=True)
class _Reader:
    name: str
    manner: Manner


class Client(User):
    """A source of an open loop, or a client of a closed one. Its environment has the `traffic`."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._pool = Pool()
        self._arrivals: Iterator[float] = iter(())
        self._due: float | None = None
        self._closed: Closed | None = None

    def on_start(self) -> None:
        """Takes its part in the run."""
        traffic = traffic_of(self.environment)
        if traffic is None:
            raise StopUser  # the run could not be made, which has been said
        self._traffic, scenario = traffic, traffic.scenario
        number = traffic.source()
        self._begun = perf_counter()
        self._random = Random(f"{scenario.seed} prompts {number}")
        if isinstance(scenario.arrivals, Closed):
            self._closed = scenario.arrivals
        most = max(1, scenario.max_requests // scenario.sources)
        self._arrivals = islice(self._times(scenario, number), most)
        if self._closed is None:
            self._due = next(self._arrivals, None)

    def _times(self, scenario: Scenario, number: int) -> Iterator[float]:
        if isinstance(scenario.arrivals, Closed):
            while (now := self._now()) < scenario.seconds:
                yield now  # a client asks when it is ready to
            return
        steps = scenario.arrivals.steps(scenario.seconds, scenario.seed)
        yield from arrivals(steps, Share(number, scenario.sources, scenario.seed))

    def _now(self) -> float:
        return perf_counter() - self._begun

    def wait_time(self) -> float:
        """Seconds to the next request."""
        if self._closed is not None:
            think = self._closed.think_seconds
            return self._random.expovariate(1 / think) if think else 0.0
        return _IDLE_SECONDS if self._due is None else max(0.0, self._due - self._now())

    @task
    def ask(self) -> None:
        """Sends the request that is due, if one is."""
        if self._closed is not None:
            self._due = next(self._arrivals, None)  # now, as long as the run goes on
        due = self._due
        if due is None:
            gevent.sleep(_IDLE_SECONDS)
            return
        if due > self._now():
            return
        drawn = self._traffic.prompts.draw(self._random)
        reader = self._reader()
        if self._traffic.in_flight >= self._traffic.scenario.max_in_flight:
            why = f"{self._traffic.in_flight} in flight"
            self._enter(Answer("unsent", why), drawn, reader, due)
        else:
            asked = self._pool.spawn(self._exchange, drawn, reader, due)
            if self._closed is not None:
                asked.join()
        if self._closed is None:
            self._due = next(self._arrivals, None)

    def on_stop(self) -> None:
        """Ends what is still in flight."""
        self._pool.kill()

    def _exchange(self, drawn: Drawn, reader: _Reader, due: float) -> None:
        body = self._traffic.body(drawn)
        answer = Answer("unfinished", "the run was stopped")
        self._traffic.in_flight += 1
        try:
            answer = self._traffic.caller.ask(body, self._begun + due, reader.manner)
        finally:
            self._traffic.in_flight -= 1
            self._enter(answer, drawn, reader, due)

    def _reader(self) -> _Reader:
        readers, drawn = self._traffic.scenario.readers, self._random.random()
        if drawn < readers.slow:
            return _Reader("slow", Manner(pause=readers.slow_pause_seconds))
        if drawn < readers.slow + readers.leaving:
            after = self._random.uniform(*readers.leaving_after_seconds)
            return _Reader("leaving", Manner(leaves_after=after))
        return _Reader(PATIENT, Manner())

    def _enter(self, answer: Answer, drawn: Drawn, reader: _Reader, due: float) -> None:
        self._traffic.count(answer, drawn, reader.name, due)
        name = drawn.domain if reader.name == PATIENT else f"{drawn.domain}, {reader.name}"
        failed = answer.outcome in _UNANSWERED
        self.environment.events.request.fire(
            request_type="chat",
            name=name,
            response_time=1000 * answer.seconds,
            response_length=0,
            exception=Unanswered(answer.why) if failed else None,
            context={},
        )
        if reader.name == PATIENT and answer.first is not None:
            stats = self.environment.stats
            stats.get(drawn.domain, "TTFT").log(_ms(answer.first), 0)
            for gap in answer.gaps:
                stats.get(drawn.domain, "ITL").log(_ms(gap), 0)


def _ms(seconds: float) -> Any:
    return 1000 * seconds  # Locust says int, and keeps tenths of small ones


class Bounds(LoadTestShape):
    """So many users as the scenario has, until its time is over and its requests are answered."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = False

    def reset_time(self) -> None:
        """Called before each run."""
        super().reset_time()
        self._begun = False

    def tick(self) -> tuple[int, float] | None:
        """Called every second; None ends the run."""
        if not self._begun:
            self._begun = True
            return 1, 1.0  # Locust makes the run's beginning known by its first user
        traffic = None if self.runner is None else traffic_of(self.runner.environment)
        if traffic is not None and traffic.started is None:
            return 1, 1.0  # a slow server takes longer to warm up than one tick
        if traffic is None or traffic.over(traffic.scenario.timeout_seconds):
            return None
        sources = traffic.scenario.sources
        return sources, float(sources)
