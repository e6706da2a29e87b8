"""Events of a request: passed to all observers, in their order."""

import inspect

from prometheus_client import CollectorRegistry

from deployments.protocol import Chunk
from gateway.metrics import Metrics, RequestMetrics
from gateway.observer import Observers, RequestObserver
from gateway.record import Record

EVENTS = [name for name in vars(RequestObserver) if not name.startswith("_")]


def hearing(name: str, heard: list[tuple[str, str]]) -> RequestObserver:
    """An observer that writes down every event."""

    def method(event: str):
        return lambda _, *facts: heard.append((event, name))

    return type("Hearing", (RequestObserver,), {event: method(event) for event in EVENTS})()


def test_every_event_reaches_every_observer_in_order() -> None:
    """No event is forgotten when one is added."""
    heard: list[tuple[str, str]] = []
    observers = Observers([hearing("record", heard), RequestObserver(), hearing("log", heard)])

    for event in EVENTS:
        method = getattr(observers, event)
        method(*(None for _ in inspect.signature(method).parameters))

    assert heard == [(event, name) for event in EVENTS for name in ("record", "log")]


def test_a_gap_is_per_token_and_per_choice() -> None:
    """The time between two pieces of one choice is shared among the tokens of the second."""
    metrics = Metrics(CollectorRegistry())
    observer = RequestMetrics(metrics, Record("r1", 0.0, model="sql"))

    observer.chunk(0, Chunk("a", tokens=1), 1.0)
    observer.chunk(1, Chunk("a", tokens=1), 2.0)
    observer.chunk(0, Chunk("b", tokens=4), 2.0)

    name, labels = "niche_inter_token_latency_seconds", {"model": "sql"}
    assert metrics.registry.get_sample_value(f"{name}_count", labels) == 1
    assert metrics.registry.get_sample_value(f"{name}_sum", labels) == 0.25
