"""All metrics: names, labels, buckets. Created on the given registry, in base units.

Label values come from closed sets: configured names, the router's domains and reasons, the codes of
`gateway.errors.TABLE`. No text from a client becomes a label.
"""

import json
import logging
import os
import re
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess
from prometheus_client.exposition import choose_encoder
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.registry import Collector
from typing_extensions import override

from deployments.protocol import Chunk, EngineStats, Overloaded, Usage
from gateway.dialects.parse import CompletionRequest
from gateway.errors import ClientGone, ErrorResponse
from gateway.observer import RequestObserver
from gateway.record import Record
from gateway.tally import Costs
from router.dispatch import Answer, StreamedAnswer, reason_to_leave
from router.types import Decision, Reason

# Seconds, from a fake engine's milliseconds to the longest request under the default limits.
REQUEST_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 150, 300, 600)
TOKEN_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)
ROUTER_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONFIDENCE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)

SCRAPE_SECONDS = 1.0
"""How old the metrics may be that are told: however many ask, they are collected once."""

_VERSION = re.compile(r"version=(0\.0\.4|1\.0\.0|2\.0\.0);")

_Made = TypeVar("_Made")

_log = logging.getLogger("gateway.metrics")


class Metrics:
    """The gateway's metrics, on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._made: dict[object, object] = {}
        self.requests = self._counter(
            "requests",
            "Requests for an answer, by outcome",
            "domain",
            "model",
            "reason",
            "status_class",
        )
        self.errors = self._counter("errors", "Requests that ended in an error", "code")
        self.dispatch_fallbacks = self._counter(
            "dispatch_fallbacks", "Models passed over for the next candidate", "model", "reason"
        )
        self.streams_cut = self._counter(
            "streams_cut", "Streams that began and ended with an error", "model"
        )
        self.requests_lost = self._counter(
            "requests_lost", "Requests that waited for an answer in a process that was killed"
        )
        self.decision_log_drops = self._counter(
            "decision_log_drops", "Lines missing from the decision log"
        )
        self.refusals = self._counter(
            "refusals", "Requests refused since they would wait too long", "model", "cause"
        )
        self.expected_wait = self._gauge(
            "expected_wait_seconds",
            "How long one more request would wait for a slot, in seconds",
            "model",
            mode="livemax",
        )
        self.in_flight = self._gauge("requests_in_flight", "Requests in flight")
        self.queued = self._gauge(
            "requests_queued", "Requests that wait for their first token", "model"
        )
        self.up = self._gauge(
            "model_up", "1 if the last health check succeeded, else 0", "model", mode="livemin"
        )
        self.model_info = self._gauge(
            "model_info",
            "1; the deployment that serves the model, alone or with others of a pool",
            "model",
            "deployment",
            mode="livemin",
        )
        self._build_latencies()
        self._build_usage()
        self._build_engines()

    def once(self, make: Callable[[CollectorRegistry], _Made]) -> _Made:
        """What is made on the registry, where it takes each name once: the app that takes another's
        place has the same."""
        if make not in self._made:
            self._made[make] = make(self.registry)
        return cast(_Made, self._made[make])

    def _build_latencies(self) -> None:
        self.first_token = self._histogram(
            "time_to_first_token_seconds",
            "Time from arrival to the first token of a streamed answer, in seconds",
            REQUEST_BUCKETS,
            "model",
        )
        self.duration = self._histogram(
            "request_duration_seconds",
            "Time from arrival to the last byte, in seconds",
            REQUEST_BUCKETS,
            "model",
            "status_class",
        )
        self.inter_token = self._histogram(
            "inter_token_latency_seconds",
            "Time per token after the first, of streamed answers with one choice, in seconds",
            TOKEN_BUCKETS,
            "model",
        )
        self.router_duration = self._histogram(
            "router_duration_seconds",
            "Routing latency including queueing, in seconds",
            ROUTER_BUCKETS,
        )
        self.router_confidence = self._histogram(
            "router_confidence",
            "Calibrated probability of the chosen domain",
            CONFIDENCE_BUCKETS,
            "domain",
        )
        self.router_batch_size = self._histogram(
            "router_batch_size", "Requests classified in one batch", BATCH_BUCKETS
        )

    def _build_usage(self) -> None:
        self.prompt_tokens = self._counter("prompt_tokens", "Prompt tokens processed", "model")
        self.completion_tokens = self._counter("completion_tokens", "Tokens generated", "model")
        self.engine_seconds = self._counter(
            "engine_seconds",
            "Engine time spent on requests, in seconds; that of a batch, also of a pool's models, "
            "is divided by tokens worked on, where the engine can tell",
            "model",
        )
        self.usage_faults = self._counter(
            "upstream_usage_faults",
            "Answers whose upstream told a number of tokens that cannot be, by what is wrong",
            "model",
            "fault",
        )
        self.cost = self._counter("cost_currency", "Cost by list price, in currency units", "model")
        self.cost_baseline = self._counter(
            "cost_baseline_currency",
            "Cost of the same tokens at the generalist's list price, in currency units",
            "model",
        )
        self.cost_attributed = self._counter(
            "cost_attributed_currency",
            "Engine time multiplied by the machine's price, in currency units",
            "model",
        )

    def _build_engines(self) -> None:
        self._kv_cache_usage = self._of_engines(
            "kv_cache_usage_ratio", "Share of the KV cache in use, in the fullest replica"
        )
        self._waiting = self._of_engines(
            "requests_waiting", "Requests that wait for room in an engine"
        )
        self._queried = self._of_engines(
            "prefix_cache_queried_tokens",
            "Prompt tokens looked for in the KV cache since the replicas started",
        )
        self._hit = self._of_engines(
            "prefix_cache_hit_tokens",
            "Prompt tokens found in the KV cache since the replicas started",
        )
        self._preemptions = self._of_engines(
            "preemptions",
            "Requests that gave back their room and began again, since the replicas started",
        )

    def _of_engines(self, name: str, text: str) -> Gauge:
        return self._gauge(f"engine_{name}", text, "deployment", mode="livemax")

    def tell_engines(self, deployment: str, stats: Sequence[EngineStats]) -> None:
        """Shows what the engines of a deployment's replicas told; nothing if none did."""
        if not stats:
            return
        usage = max(of.kv_cache_usage_ratio for of in stats)
        self._kv_cache_usage.labels(deployment).set(usage)
        self._waiting.labels(deployment).set(sum(of.waiting_requests for of in stats))
        self._queried.labels(deployment).set(sum(of.prefix_cache_queried_tokens for of in stats))
        self._hit.labels(deployment).set(sum(of.prefix_cache_hit_tokens for of in stats))
        self._preemptions.labels(deployment).set(sum(of.preemptions for of in stats))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return _quick(Counter(f"niche_{name}", text, labels, registry=self.registry))

    def _gauge(
        self,
        name: str,
        text: str,
        *labels: str,
        mode: Literal["livesum", "livemin", "livemax"] = "livesum",
    ) -> Gauge:
        """`mode` says how to combine the values of live processes."""
        name = f"niche_{name}"
        return _quick(Gauge(name, text, labels, registry=self.registry, multiprocess_mode=mode))

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        name = f"niche_{name}"
        return _quick(Histogram(name, text, labels, registry=self.registry, buckets=buckets))


_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)


def _quick(metric: _Metric) -> _Metric:
    """Caches the children of a metric: each request looks up a dozen, at a microsecond each."""
    metric.labels = cache(metric.labels)  # type: ignore[method-assign]  # callers see no difference
    return metric


class ErrorMetrics(RequestObserver):
    """Counts the error of a failed request."""

    def __init__(self, metrics: Metrics, record: Record) -> None:
        self._metrics, self._record = metrics, record

    @override
    def ended(self, time: float) -> None:
        if self._record.code is not None:
            self._metrics.errors.labels(self._record.code).inc()


class RequestMetrics(RequestObserver):
    """Counts one request for an answer; it is in flight from construction to `ended`."""

    def __init__(self, metrics: Metrics, record: Record) -> None:
        self._metrics, self._record = metrics, record
        self._queued: Gauge | None = None
        self._one_choice = True
        self._last_chunk: float | None = None
        metrics.in_flight.inc()

    @override
    def decided(self, decision: Decision, started: float, ended: float) -> None:
        if decision.reason not in {Reason.REQUESTED, Reason.SAME_CONVERSATION}:
            self._metrics.router_duration.observe(ended - started)
        if decision.scores is not None:
            self._metrics.router_confidence.labels(decision.domain).observe(decision.confidence)

    @override
    def dispatched(self, request: CompletionRequest, model: str, time: float) -> None:
        self._one_choice = request.choices == 1
        self._queued = self._metrics.queued.labels(model)
        self._queued.inc()

    @override
    def answered(self, answer: Answer, time: float) -> None:
        self._leave_queue()
        if isinstance(answer, StreamedAnswer):
            self._metrics.first_token.labels(answer.model).observe(time - self._record.started)
        for attempt in answer.attempts:
            if attempt.error is not None:
                reason = reason_to_leave(attempt.error)
                self._metrics.dispatch_fallbacks.labels(attempt.model, reason).inc()

    @override
    def chunk(self, chunk: Chunk, time: float) -> None:
        """Observes the time per token; several choices arrive intermingled."""
        if self._last_chunk is not None and chunk.tokens and self._one_choice:
            gap = (time - self._last_chunk) / chunk.tokens
            self._metrics.inter_token.labels(self._record.model).observe(gap)
        self._last_chunk = time

    @override
    def generated(self, usage: Usage, finish_reasons: tuple[str, ...], costs: Costs | None) -> None:
        """Counts tokens, engine time and cost; an answer that the model broke off has none."""
        metrics, model = self._metrics, self._record.model
        metrics.prompt_tokens.labels(model).inc(usage.prompt_tokens)
        metrics.completion_tokens.labels(model).inc(usage.completion_tokens)
        metrics.engine_seconds.labels(model).inc(usage.engine_seconds)
        for fault in usage.faults:
            metrics.usage_faults.labels(model, fault).inc()
        if costs is not None:
            metrics.cost.labels(model).inc(costs.list_price)
            metrics.cost_baseline.labels(model).inc(costs.baseline)
            metrics.cost_attributed.labels(model).inc(costs.attributed)

    @override
    def failed(self, error: BaseException, response: ErrorResponse) -> None:
        if isinstance(error, Overloaded):
            self._metrics.refusals.labels(error.model, error.cause).inc()
        if self._record.response_started and not isinstance(error, ClientGone):
            self._metrics.streams_cut.labels(self._record.model).inc()

    @override
    def ended(self, time: float) -> None:
        record, metrics = self._record, self._metrics
        self._leave_queue()
        status_class = f"{record.status // 100}xx"
        metrics.requests.labels(record.domain, record.model, record.reason, status_class).inc()
        metrics.duration.labels(record.model, status_class).observe(time - record.started)
        metrics.in_flight.dec()

    def _leave_queue(self) -> None:
        if self._queued is not None:
            self._queued.dec()
            self._queued = None


def sharing_variables(multiprocess_dir: Path) -> dict[str, str]:
    """The environment variables of a process that shares its metrics with others.

    prometheus_client reads them at import, so the process must start with them.
    """
    return {"PROMETHEUS_MULTIPROC_DIR": str(multiprocess_dir)}


def forget_dead_processes(multiprocess_dir: Path, alive: Callable[[int], bool]) -> int:
    """Removes the gauges of ended processes from the sums; their counters stay.

    Returns:
        How many requests they had queued: none, unless they were killed.
    """
    lost = 0
    for path in multiprocess_dir.glob("gauge_live*_*.db"):
        pid = path.stem.rsplit("_", 1)[1]
        if pid.isdigit() and not alive(int(pid)):
            mine = path.with_suffix(f".{os.getpid()}")
            with suppress(FileNotFoundError):  # another process that starts counts it
                path.rename(mine)
                lost += _queued_in(mine)
                mine.unlink()
    return lost


def _queued_in(path: Path) -> int:
    """The requests that a process had queued, by the file of its gauges; 0 if it left that cut."""
    name = "niche_requests_queued"
    try:
        read = MmapedDict.read_all_values_from_file
        values = read(path)  # type: ignore[no-untyped-call]  # no types there
        return sum(round(value) for key, value, *_ in values if json.loads(key)[0] == name)
    except (struct.error, RuntimeError, ValueError) as error:  # what the library raises then
        _log.warning("the gauges %s of an ended process cannot be read: %s", path.name, error)
        return 0


def exposition(
    registry: CollectorRegistry, multiprocess_dir: str | None, accept: str
) -> tuple[bytes, str]:
    """The metrics as text, and its content type; arguments as of `collected` and `text_format`."""
    encode, content_type = text_format(accept)
    return encode(collected(registry, multiprocess_dir)), content_type


def text_format(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """What writes metrics in the format that an `Accept` header asks for, and its content type,
    which is one of a few."""
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # the library raises on a malformed version in the header
        return choose_encoder("")
    # It repeats a version that does not exist.
    return (encode, content_type) if _VERSION.search(content_type) else choose_encoder("")


def collected(registry: CollectorRegistry, multiprocess_dir: str | None) -> CollectorRegistry:
    """The metrics of all processes: this one's, or the sums over all where they are shared.

    Args:
        registry: this process's metrics.
        multiprocess_dir: the folder of all processes' metrics; if given, they are summed.
    """
    if multiprocess_dir is None:
        return registry
    everywhere = CollectorRegistry()
    collect = multiprocess.MultiProcessCollector
    collect(everywhere, path=multiprocess_dir)  # type: ignore[no-untyped-call]  # no types there
    return everywhere
