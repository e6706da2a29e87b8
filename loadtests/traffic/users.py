"""The Locust integration: simulated users, the shape of a run, and reports between processes.

In an open loop a Locust user is a source: its `wait_time` is the time to its next arrival, and it
does not wait for answers. In a closed loop a user is a client: it sends a request, reads the answer
and pauses.

Locust's own statistics get a row per domain for complete answers, and rows `TTFT` and `ITL` for the
time to the first token and between tokens. Those are not part of Locust's totals, which would count
them as requests.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from random import Random
from time import perf_counter
from typing import Any

import gevent
from gevent.pool import Pool
from locust import LoadTestShape, User, task
from locust.env import Environment
from locust.exception import LocustError, StopUser

from loadtests.traffic.arrivals import Source, arrivals
from loadtests.traffic.client import PATIENT, Reader, Server, StreamingClient
from loadtests.traffic.measurements import Measurements
from loadtests.traffic.prompts import DrawnPrompt, PromptMix
from loadtests.traffic.result import RequestResult
from loadtests.traffic.scenario import Closed, Scenario

_PER_WORKER = 100_000
"""More than the users of a worker, so that every source of a run has a unique number."""
_IDLE_SECONDS = 1.0
_MARGIN_SECONDS = 1.0
"""Users start a moment after the run does."""
_UNANSWERED = ("refused", "failed", "unsent", "unfinished")


class UnansweredError(LocustError):
    """Tells Locust that a request was not answered."""


class LoadRun:
    """A run in this process.

    Args:
        scenario: of the run.
        prompts: of the scenario.
        server: the server.
        worker: the number of this process; 0 if it is the only one.
    """

    def __init__(self, scenario: Scenario, prompts: PromptMix, server: Server, worker: int) -> None:
        self.scenario, self.prompts, self.server = scenario, prompts, server
        self.client = StreamingClient(server, scenario.timeout_seconds)
        self.measured = Measurements()
        self.in_flight = 0
        self.started: float | None = None
        self._unreported = Measurements()
        self._first_user, self._users = worker * _PER_WORKER, 0
        self._workers: dict[str, Mapping[str, Any]] = {}

    def next_user_number(self) -> int:
        """A number for a new source or client."""
        self._users += 1
        return self._first_user + self._users - 1

    @property
    def elapsed(self) -> float:
        """Seconds since the run began; 0 during the warm-up."""
        return 0.0 if self.started is None else perf_counter() - self.started

    def body(self, prompt: DrawnPrompt) -> dict[str, Any]:
        """The request for a prompt."""
        return {
            "model": self.scenario.model,
            "messages": [{"role": "user", "content": prompt.text}],
            "max_tokens": self.scenario.max_tokens or prompt.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def record(self, result: RequestResult, prompt: DrawnPrompt, reader: str, due: float) -> None:
        """Records a request; `due`: seconds after the start."""
        third = min(int(3 * due / self.scenario.seconds), 2) + 1
        for measurements in (self.measured, self._unreported):
            measurements.add(result, prompt.domain, reader, third)

    def worker_report(self) -> dict[str, Any]:
        """A worker's report to the master: the measurements since the last report."""
        news, self._unreported = self._unreported, Measurements()
        fields = {"in_flight": self.in_flight, "elapsed": self.elapsed}
        return {"measurements": news.fields(), **fields}

    def add_worker_report(self, worker: str, report: Mapping[str, Any]) -> None:
        """Adds the report of a worker, in the master."""
        self.measured.merge(report["measurements"])
        self._workers[worker] = report

    def is_over(self, patience: float) -> bool:
        """Whether all requests were sent and answered, here and in every worker."""
        end = self.scenario.seconds + _MARGIN_SECONDS
        if self.elapsed >= end + patience:
            return True
        here = {"in_flight": self.in_flight, "elapsed": self.elapsed}
        processes = self._workers.values() or (here,)
        return all(
            processe["elapsed"] >= end and not processe["in_flight"] for processe in processes
        )


def set_run(environment: Environment, run: LoadRun | None) -> None:
    """Stores the run where its users find it."""
    environment.load_run = run  # type: ignore[attr-defined]  # an Environment takes more


def current_run(environment: Environment) -> LoadRun | None:
    """The run in progress, if any."""
    return getattr(environment, "load_run", None)


class SimulatedUser(User):
    """A source of an open loop, or a client of a closed one; its environment has the run."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._pool = Pool()
        self._arrivals: Iterator[float] = iter(())
        self._due: float | None = None
        self._closed: Closed | None = None

    def on_start(self) -> None:
        """Joins the run."""
        run = current_run(self.environment)
        if run is None:
            raise StopUser  # the run could not start; the error was reported
        self._load_run, scenario = run, run.scenario
        number = run.next_user_number()
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
                yield now  # a client sends its request when it is ready
            return
        steps = scenario.arrivals.steps(scenario.seconds, scenario.seed)
        yield from arrivals(steps, Source(number, scenario.sources, scenario.seed))

    def _now(self) -> float:
        return perf_counter() - self._begun

    def wait_time(self) -> float:
        """Seconds to the next request."""
        if self._closed is not None:
            think = self._closed.think_seconds
            return self._random.expovariate(1 / think) if think else 0.0
        return _IDLE_SECONDS if self._due is None else max(0.0, self._due - self._now())

    @task
    def send_due_request(self) -> None:
        """Sends the request that is due, if one is."""
        if self._closed is not None:
            self._due = next(self._arrivals, None)  # now, while the run continues
        due = self._due
        if due is None:
            gevent.sleep(_IDLE_SECONDS)
            return
        if due > self._now():
            return
        prompt = self._load_run.prompts.draw(self._random)
        reader = self._draw_reader()
        if self._load_run.in_flight >= self._load_run.scenario.max_in_flight:
            reason = f"{self._load_run.in_flight} in flight"
            self._record(RequestResult("unsent", reason), prompt, reader, due)
        else:
            sending = self._pool.spawn(self._send, prompt, reader, due)
            if self._closed is not None:
                sending.join()
        if self._closed is None:
            self._due = next(self._arrivals, None)

    def on_stop(self) -> None:
        """Ends the requests that are still in flight."""
        self._pool.kill()

    def _send(self, prompt: DrawnPrompt, reader: Reader, due: float) -> None:
        body = self._load_run.body(prompt)
        result = RequestResult("unfinished", "the run was stopped")
        self._load_run.in_flight += 1
        try:
            result = self._load_run.client.send(body, self._begun + due, reader)
        finally:
            self._load_run.in_flight -= 1
            self._record(result, prompt, reader, due)

    def _draw_reader(self) -> Reader:
        readers, drawn = self._load_run.scenario.readers, self._random.random()
        if drawn < readers.slow:
            return Reader("slow", pause=readers.slow_pause_seconds)
        if drawn < readers.slow + readers.disconnecting:
            after = self._random.uniform(*readers.disconnect_after_seconds)
            return Reader("disconnecting", disconnect_after=after)
        return PATIENT

    def _record(
        self, result: RequestResult, prompt: DrawnPrompt, reader: Reader, due: float
    ) -> None:
        self._load_run.record(result, prompt, reader.kind, due)
        patient = reader == PATIENT
        failed = result.outcome in _UNANSWERED
        self.environment.events.request.fire(
            request_type="chat",
            name=prompt.domain if patient else f"{prompt.domain}, {reader.kind}",
            response_time=1000 * result.seconds,
            response_length=0,
            exception=UnansweredError(result.reason) if failed else None,
            context={},
        )
        if patient and result.first is not None:
            stats = self.environment.stats
            stats.get(prompt.domain, "TTFT").log(_ms(result.first), 0)
            for gap in result.gaps:
                stats.get(prompt.domain, "ITL").log(_ms(gap), 0)


def _ms(seconds: float) -> Any:
    return 1000 * seconds  # Locust's type is int, but it keeps tenths of small numbers


class ScenarioShape(LoadTestShape):
    """The scenario's number of users, until its time is over and its requests are answered."""

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
            return 1, 1.0  # Locust announces the start of a run with its first user
        run = None if self.runner is None else current_run(self.runner.environment)
        if run is not None and run.started is None:
            return 1, 1.0  # warming up a slow server takes longer than one tick
        if run is None or run.is_over(run.scenario.timeout_seconds):
            return None
        sources = run.scenario.sources
        return sources, float(sources)
