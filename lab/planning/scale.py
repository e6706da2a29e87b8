"""`python -m lab.planning.scale`: the tables of docs/scale.md.

What 100 GPUs and 10,000 requests per second need, from what one gateway process was measured to
take (docs/results/serving.md) and from assumptions, each of which is a field of `Scenario`.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as File

import numpy as np

from lab.planning.errors import PlanError
from lab.planning.queue import Limits, replicas_needed
from lab.planning.serving import FORWARDED, IN_REPLICA, STREAM_TOKENS, Serving
from lab.planning.simulation import Path, Run, Visit, closed_loop, open_loop
from lab.statistics.table import Table

CLIENTS = (1, 16, 64)
_PAUSE_SECONDS = 0.02
"""Between two tokens of the benchmark's streams."""

_VARIATION = 0.35
"""Of the gateway's times: p99 is then twice p50, as measured with one client."""
_HANDLE_SECONDS = 0.00122
"""CPU of both ends of a call by Serve's handle, at 16 calls at once (`loadtests.bench.hop`, in
docs/results/serving.md)."""
_GATEWAY_SHARE = 0.7
"""Of a request's CPU time that the gateway's process takes when the engine is in a replica. It was
not measured, and was chosen so that the rate at 16 clients agreed with an earlier measurement; it
stays, so that a new one checks it."""
_REQUESTS, _STREAMS_SIMULATED = 20_000, 2_000
_LIMITS = Limits()


@dataclass(frozen=True)
class Scenario:
    """What is planned for; the comments say what was not measured.

    Attributes:
        rate: requests per second.
        gpus: model replicas, one per GPU; together they just answer this rate.
        tokens, token_seconds: of an answer.
        busiest: the busiest model's share of the requests.
        models: how many models there are.
        haproxy_seconds: HAProxy's CPU time per request.
        start_seconds: from the decision to add a model's replica until it answers.
        limits: when replicas are enough.
    """

    rate: float = 10_000.0
    gpus: int = 100
    tokens: int = 30  # assumed: 3,000 tokens per second and GPU
    token_seconds: float = 0.02  # assumed, as in the benchmark
    busiest: float = 0.35  # assumed: a third of the default router's test rows is general
    models: int = 6
    haproxy_seconds: float = 0.00035  # a bound: HAProxy and a trivial replica together
    start_seconds: float = 60.0  # assumed
    limits: Limits = _LIMITS

    @property
    def answer_seconds(self) -> float:
        """How long a model takes."""
        return self.tokens * self.token_seconds


@dataclass(frozen=True)
class Shipped:
    """Defaults of niche.yaml, of the chart and of Ray Serve, on two nodes."""

    nodes: int = 2
    replicas: int = 2
    max_concurrent_requests: int = 512
    max_ongoing_requests: int = 64
    connections: int = 16_384
    haproxy_threads: int = 2
    readiness_seconds: float = 2.0
    report_seconds: float = 10.0
    upscale_delay_seconds: float = 10.0
    feedback_hours: float = 24.0
    cached_scores: int = 4096


@dataclass(frozen=True)
class Costs:
    """CPU seconds of a gateway process.

    Attributes:
        request: a whole answer of a named model behind another server.
        classify: choosing the model.
        token: a token of a stream.
        hop: what an engine in a replica on Ray Serve costs more than such a server.
        handle: a call by Serve's handle, as to a classifier apart.
    """

    request: float
    classify: float
    token: float
    hop: float
    handle: float


def costs(serving: Serving) -> Costs:
    """As measured at 16 clients, and of tokens at 64 streams: busy, and not overloaded."""
    request = serving.request("named", FORWARDED, 16)
    return Costs(
        request=request,
        classify=serving.request("auto", FORWARDED, 16) - request,
        token=(serving.stream("named", 64) - request) / STREAM_TOKENS,
        hop=_GATEWAY_SHARE * serving.request("named", IN_REPLICA, 16) - request,
        handle=_GATEWAY_SHARE * _HANDLE_SECONDS,
    )


def predicted(serving: Serving, arm: str, way: str, clients: int, at: int | None = None) -> Run:
    """What the model says of the benchmark's clients: the gateway's process works on one request at
    a time, and so does the replica.

    Args:
        serving: has the CPU time of a request.
        arm: `named` or `auto`.
        way: where the engine is.
        clients: how many there are.
        at: the number of clients whose CPU time is taken; None: the same.
    """
    named = serving.request("named", way, at or clients)
    share = _GATEWAY_SHARE if way == IN_REPLICA else 1.0
    own = serving.request(arm, way, at or clients) - (1 - share) * named
    visits = [Visit("gateway", own, _VARIATION)]
    if share < 1:
        visits.append(Visit("replica", (1 - share) * named, _VARIATION))
    path = Path(visits, {"gateway": 1, "replica": 1})
    return closed_loop(path, clients, _REQUESTS)


def check(serving: Serving) -> Table:
    """The model beside the measurement."""
    titles = (
        *("", "clients", "requests/s", "predicted", "", "by the cost at 16"),
        *("p50, ms", "predicted", ""),
    )
    arms = [(arm, way) for way in (FORWARDED, IN_REPLICA) for arm in ("named", "auto")]
    rows = [_checked(serving, *of, clients) for of in arms for clients in CLIENTS]
    return Table(titles, tuple(rows))


def _checked(serving: Serving, arm: str, way: str, clients: int) -> tuple[str, ...]:
    rate, p50 = serving.rate(arm, way, clients), serving.p50(arm, way, clients)
    run, other = (predicted(serving, arm, way, clients, at) for at in (None, 16))
    told = float(np.median(run.latencies))
    return (
        *(f"{arm}, {way}", str(clients)),
        *(_figure(rate), _figure(run.rate), _error(run.rate, rate), _error(other.rate, rate)),
        *(_figure(1000 * p50), _figure(1000 * told), _error(told, p50)),
    )


def streams(serving: Serving) -> Table:
    """The same of streams, whose tokens each come back to the gateway's process."""
    titles = (
        *("", "clients", "tokens/s", "predicted", ""),
        *("first token p50, ms", "predicted", ""),
    )
    rows = [_streamed(serving, arm, clients) for arm in ("named", "auto") for clients in (16, 64)]
    return Table(titles, tuple(rows))


def _streamed(serving: Serving, arm: str, clients: int) -> tuple[str, ...]:
    request = serving.request(arm, FORWARDED, clients)
    token = (serving.stream(arm, clients) - request) / STREAM_TOKENS
    path = _one_gateway(request, token, STREAM_TOKENS, _PAUSE_SECONDS)
    run = closed_loop(path, clients, _STREAMS_SIMULATED)
    first = float(np.median(run.waits[:, 0] + run.waits[:, 2])) + request + token
    rate, measured = serving.token_rate(arm, clients), serving.first_token(arm, clients)
    told = run.rate * STREAM_TOKENS
    return (
        *(f"{arm}, {FORWARDED}", str(clients)),
        *(_figure(rate), _figure(told), _error(told, rate)),
        *(_figure(1000 * measured), _figure(1000 * first), _error(first, measured)),
    )


def unit_costs(serving: Serving, scenario: Scenario) -> Table:
    """The costs, and how much of a core the whole rate takes."""
    of = costs(serving)
    named = (
        ("a whole answer, model named, forwarded", of.request, 1),
        ("choosing the model (auto), in the gateway", of.classify, 1),
        ("a streamed token", of.token, scenario.tokens),
        ("an engine in a replica: the hop to it", of.hop, 1),
        ("a call by Serve's handle, as to a classifier apart", of.handle, 1),
        ("HAProxy, at most", scenario.haproxy_seconds, 1),
    )
    rows = tuple(
        (name, f"{1000 * seconds:.2f}", str(times), f"{scenario.rate * seconds * times:.1f}")
        for name, seconds, times in named
    )
    rate = f"{scenario.rate:,.0f} requests/s"
    return Table(("", "CPU, ms", "times per request", f"cores at {rate}"), rows)


_Limit = tuple[float, str, str, str]
"""The rate at which it is reached, its name, what is shipped, and what the rate needs."""


def ladder(serving: Serving, scenario: Scenario, shipped: Shipped) -> Table:
    """Where each limit lies as shipped, lowest first, and what the rate needs."""
    of = costs(serving)
    whole = of.request + of.classify
    found = [
        _cores("gateway's processes, auto, whole answers", shipped.replicas, whole, scenario),
        _cores(
            *("gateway's processes, auto, streams", shipped.replicas),
            *(whole + scenario.tokens * of.token, scenario),
        ),
        _cores(
            *("HAProxy's threads", shipped.nodes * shipped.haproxy_threads),
            *(scenario.haproxy_seconds, scenario),
        ),
        *_at_once(_needed(scenario, whole), scenario, shipped),
        (scenario.rate, "GPUs", str(scenario.gpus), str(scenario.gpus)),
    ]
    rows = tuple((name, has, f"{rate:,.0f}", needs) for rate, name, has, needs in sorted(found))
    titles = ("limit", "as shipped", "full at, requests/s", f"{scenario.rate:,.0f} requests/s need")
    return Table(titles, rows)


def _cores(name: str, servers: int, seconds: float, scenario: Scenario) -> _Limit:
    return servers / seconds, name, str(servers), str(_needed(scenario, seconds))


def _at_once(gateways: int, scenario: Scenario, shipped: Shipped) -> Iterator[_Limit]:
    """The limits on requests in progress: a rate times the seconds of an answer (Little's law)."""
    per_gateway = (
        ("busiest model's limits.max_ongoing_requests", shipped.max_ongoing_requests),
        ("gateway.max_concurrent_requests", shipped.max_concurrent_requests),
    )
    for (name, each), share in zip(per_gateway, (scenario.busiest, 1.0), strict=True):
        needed = scenario.rate * scenario.answer_seconds * share
        yield (
            shipped.replicas * each / scenario.answer_seconds / share,
            *(name, f"{shipped.replicas} x {each}"),
            f"{needed:,.0f} in all: {gateways} x {np.ceil(needed / gateways):.0f}",
        )
    yield (
        shipped.nodes * shipped.connections / scenario.answer_seconds,
        *("HAProxy's connections", f"{shipped.nodes} nodes x {shipped.connections:,}"),
        f"{scenario.rate * scenario.answer_seconds:,.0f} in all",
    )


def _needed(scenario: Scenario, seconds: float) -> int:
    return int(replicas_needed(scenario.rate, seconds, scenario.limits))


def fleets(serving: Serving, scenario: Scenario) -> Table:
    """Gateway replicas for each kind of traffic, and the wait in them."""
    of = costs(serving)
    auto = of.request + of.classify
    kinds = (
        ("named, whole", of.request, 0, 1),
        ("auto, whole", auto, 0, 1),
        ("auto, whole, half of them remembered", auto - of.classify / 2, 0, 1),
        ("auto, whole, classifier apart", of.request + of.handle, 0, 1),
        ("auto, whole, engines in replicas", auto + of.hop, 0, 1),
        ("named, streams", of.request, scenario.tokens, 1),
        ("auto, streams", auto, scenario.tokens, 1),
        ("auto, streams, 5 tokens per event", auto, scenario.tokens // 5, 5),
    )
    rows = []
    for name, request, events, together in kinds:
        replicas = _needed(scenario, request + events * of.token)
        path = _one_gateway(request, of.token, events, together * scenario.token_seconds)
        run = open_loop(path, scenario.rate / replicas, _STREAMS_SIMULATED if events else _REQUESTS)
        token = f"{_p99(run.waits[:, 2::2]):.1f}" if events else "-"
        rows.append((name, str(replicas), f"{_p99(run.waits[:, 0]):.1f}", token))
    titles = ("", "gateway replicas", "wait of a request, p99, ms", "wait of a token, p99, ms")
    return Table(titles, tuple(rows))


def _one_gateway(request: float, token: float, events: int, pause: float) -> Path:
    """One process, and streams of some events with pauses between them."""
    visits = [Visit("gateway", request, _VARIATION)]
    for event in range(events):
        visits.append(Visit("model", pause if event else 0.0))
        visits.append(Visit("gateway", token, _VARIATION))
    return Path(visits, {"gateway": 1})


def utilizations(serving: Serving, scenario: Scenario) -> Table:
    """What spreading requests at random costs, at several utilizations of the gateways."""
    of, rows = costs(serving), []
    seconds = of.request + of.classify
    for utilization in (0.5, 0.6, 0.7, 0.8, 0.9):
        replicas = int(np.ceil(scenario.rate * seconds / utilization))
        visits = [Visit("gateway", seconds, _VARIATION)]
        alone = open_loop(Path(visits, {"gateway": 1}), scenario.rate / replicas, _REQUESTS)
        together = open_loop(Path(visits, {"gateway": replicas}), scenario.rate, _REQUESTS)
        waits = (f"{_p99(run.waits):.1f}" for run in (together, alone))
        rows.append((_percent(utilization), str(replicas), *waits))
    return Table(
        ("utilization", "gateway replicas", "one queue: wait p99, ms", "at random: wait p99, ms"),
        tuple(rows),
    )


def steps(scenario: Scenario, shipped: Shipped) -> Table:
    """The models' traffic doubles at once, to the full rate; Serve's autoscaler adds replicas."""
    late = shipped.report_seconds + shipped.upscale_delay_seconds + scenario.start_seconds
    rows = []
    for utilization in (0.5, 0.6, 0.7, 0.8):
        lost = max(0.0, scenario.rate - scenario.rate / 2 / utilization)
        cells = (f"{lost:,.0f}", _percent(lost / scenario.rate), f"{lost * late:,.0f}")
        rows.append((_percent(utilization), *cells))
    per_second, all_of_them = "requests/s over capacity", f"requests in {late:.0f} s"
    return Table(("utilization before", per_second, "share", all_of_them), tuple(rows))


def beside(serving: Serving, scenario: Scenario, shipped: Shipped) -> Table:
    """What is not on a request's path, and grows with replicas or requests."""
    of = costs(serving)
    gateways = _needed(scenario, of.request + of.classify)
    checks = gateways / shipped.readiness_seconds
    each = scenario.gpus / shipped.readiness_seconds
    reports = gateways * scenario.models / shipped.report_seconds
    controller = gateways / 10 + scenario.gpus / 5  # Serve's periods: the default, and the models'
    kept = scenario.rate * shipped.feedback_hours * 3600
    rows = (
        ("readiness, models behind servers: requests/s", checks * scenario.models),
        ("readiness, engines in replicas: calls/s", checks * scenario.gpus),
        ("the same: % of each gateway's time, at most", round(100 * each * of.handle)),
        ("Serve's controller, engines in replicas: health checks/s", controller),
        ("Serve's controller, engines in replicas: load reports/s", reports),
        (
            "HAProxy's lines to a Python process of Ray, per node and second",
            scenario.rate / gateways,
        ),
        (
            "seconds until router.cached_scores is full",
            shipped.cached_scores / scenario.rate * gateways,
        ),
        ("evidence: rows written per second", scenario.rate),
        ("evidence: million rows kept", kept / 1e6),
        ("evidence: gateway processes on its node", gateways),
    )
    named = tuple((name, _figure(value)) for name, value in rows)
    return Table(("", f"at {scenario.rate:,.0f} requests/s, {gateways} gateways"), named)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _error(told: float, measured: float) -> str:
    return f"{100 * (told / measured - 1):+.0f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _p99(waits: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> float:
    """In milliseconds."""
    return 1000 * float(np.quantile(waits, 0.99))


def tables(serving: Serving) -> Mapping[str, Table]:
    """All tables by the name that docs/scale.md gives them."""
    scenario, shipped = Scenario(), Shipped()
    return {
        "check": check(serving),
        "streams": streams(serving),
        "costs": unit_costs(serving, scenario),
        "ladder": ladder(serving, scenario, shipped),
        "fleets": fleets(serving, scenario),
        "utilizations": utilizations(serving, scenario),
        "steps": steps(scenario, shipped),
        "beside": beside(serving, scenario, shipped),
    }


def written(text: str, found: Mapping[str, Table]) -> str:
    """A document with its tables replaced by these, each between marks with its name.

    Raises:
        PlanError: a table has no marks.
    """
    for name, table in found.items():
        begin, end = (f"<!-- {mark}: {name} -->" for mark in ("begin", "end"))
        if begin not in text or end not in text:
            raise PlanError(f"no place for the table {name}; write {begin} and {end}")
        before, after = text.partition(begin)[0], text.partition(end)[2]
        text = f"{before}{begin}\n{table.markdown()}\n{end}{after}"
    return text


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the tables, or writes them into the document."""
    parser = argparse.ArgumentParser(prog="python -m lab.planning.scale", description=__doc__)
    parser.add_argument("--measured", type=File, default=File("docs/results/serving.md"))
    parser.add_argument("--write", type=File, metavar="FILE", help="the document")
    arguments = parser.parse_args(argv)
    found = tables(Serving(arguments.measured.read_text(encoding="utf-8")))
    if arguments.write is None:
        print("\n\n".join(f"{name}\n\n{table.markdown()}" for name, table in found.items()))
    else:
        text = arguments.write.read_text(encoding="utf-8")
        arguments.write.write_text(written(text, found), encoding="utf-8")


if __name__ == "__main__":
    main()
