"""Events of a request: passed to all observers, in their order."""

import inspect

from prometheus_client import CollectorRegistry

from deployments.protocol import Chunk
from gateway.dialects.parse import CompletionRequest
from gateway.metrics import Metrics, RequestMetrics
from gateway.observer import Observers, RequestObserver
from gateway.record import Record
from router.types import Query

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


def metrics_after(choices: int) -> Metrics:
    metrics = Metrics(CollectorRegistry())
    observer = RequestMetrics(metrics, Record("r1", 0.0, model="sql"))
    request = CompletionRequest("chat", "sql", Query(), {}, choices=choices, stream=True)
    observer.dispatched(request, "sql", 0.5)
    observer.chunk(Chunk(b"{}", tokens=1), 1.0)
    observer.chunk(Chunk(b"{}", tokens=4), 2.0)
    return metrics


GAPS = "niche_inter_token_latency_seconds"


def test_a_gap_is_per_token() -> None:
    """The time between two chunks is shared among the tokens of the second."""
    registry = metrics_after(choices=1).registry
    assert registry.get_sample_value(f"{GAPS}_count", {"model": "sql"}) == 1
    assert registry.get_sample_value(f"{GAPS}_sum", {"model": "sql"}) == 0.25


def test_several_choices_have_no_gaps() -> None:
    """Their chunks arrive intermingled."""
    registry = metrics_after(choices=2).registry
    assert registry.get_sample_value(f"{GAPS}_count", {"model": "sql"}) is None
