"""Measurements: which models get each domain's requests, and the work per request.

Sources are files that this project writes (the `report.json` of a load test, the `outcomes.jsonl`
of `niche compare`, a gateway's metrics) and values given by hand.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from lab.planning.errors import PlanError
from router.types import Reason

ANY = ""
"""Stands for all domains: work that was measured without regard to the domain."""


@dataclass(frozen=True)
class Work:
    """The total engine seconds and generated tokens of a number of requests."""

    requests: float
    seconds: float
    tokens: float = 0.0

    def __post_init__(self) -> None:
        if self.requests <= 0 or min(self.seconds, self.tokens) < 0:
            raise ValueError(
                f"invalid work: {self}; requests must be positive, seconds and tokens at least 0"
            )

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.requests + other.requests,
            self.seconds + other.seconds,
            self.tokens + other.tokens,
        )

    @property
    def seconds_each(self) -> float:
        """Mean engine seconds of a request."""
        return self.seconds / self.requests

    @property
    def tokens_each(self) -> float:
        """Mean generated tokens of a request."""
        return self.tokens / self.requests


@dataclass(frozen=True)
class Measurements:
    """The measured traffic and work.

    Attributes:
        traffic: routed requests by domain and model.
        work: by domain and model; the domain may be `ANY`.
        sources: names of the files and addresses it was read from.
    """

    traffic: Mapping[tuple[str, str], float] = field(default_factory=dict)
    work: Mapping[tuple[str, str], Work] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def of(self, domain: str, model: str) -> Work | None:
        """A model's work for a domain; if that was not measured, its work for all domains."""
        return self.work.get((domain, model)) or self.work.get((ANY, model))

    @property
    def mix(self) -> dict[str, float]:
        """The share of each domain in the traffic; empty without traffic."""
        total = sum(self.traffic.values())
        shares: dict[str, float] = {}
        for (domain, _), count in self.traffic.items():
            shares[domain] = shares.get(domain, 0.0) + count / total
        return shares

    def route(self, domain: str) -> dict[str, float]:
        """Each model's share of a domain's requests; empty without traffic."""
        seen = {model: count for (own, model), count in self.traffic.items() if own == domain}
        total = sum(seen.values())
        return {model: count / total for model, count in seen.items()} if total else {}


def merged(parts: Iterable[Measurements]) -> Measurements:
    """Several measurements as one."""
    traffic: dict[tuple[str, str], float] = {}
    work: dict[tuple[str, str], Work] = {}
    sources: tuple[str, ...] = ()
    for part in parts:
        for key, count in part.traffic.items():
            traffic[key] = traffic.get(key, 0.0) + count
        for key, added in part.work.items():
            work[key] = work[key] + added if key in work else added
        sources += part.sources
    return Measurements(traffic, work, sources)


def with_given_values(
    measured: Measurements,
    seconds: Mapping[str, float],
    tokens: Mapping[str, float],
    speed: Mapping[str, float],
) -> Measurements:
    """Adds values given by hand to the measurements.

    Args:
        measured: the measurements.
        seconds: engine seconds of a request, by model.
        tokens: tokens generated for a request, by model.
        speed: tokens per second of a replica at full load, by model.

    Raises:
        PlanError: a speed has no tokens.
    """
    work = dict(measured.work)
    for model in sorted({*seconds, *tokens, *speed}):
        keys = [key for key in work if key[1] == model] or [(ANY, model)]
        values = (seconds, tokens, speed)
        work |= {key: _work(model, work.get(key), values) for key in keys}
    return Measurements(measured.traffic, work, measured.sources)


def _work(
    model: str,
    measured: Work | None,
    values: tuple[Mapping[str, float], Mapping[str, float], Mapping[str, float]],
) -> Work:
    seconds, tokens, speed = (value.get(model) for value in values)
    each = tokens if tokens is not None else measured and measured.tokens_each
    if speed is not None:
        if not each:
            raise PlanError(
                f"--speed {model}: the tokens of an answer are unknown; give --tokens {model}"
            )
        return Work(1.0, each / speed, each)
    if seconds is None:
        if measured is None:
            raise PlanError(f"--tokens {model}: no speed; give --seconds or --speed {model}")
        seconds = measured.seconds_each
    return Work(1.0, seconds, each or 0.0)


# As the gateway writes them: the `model` that asks for routing, and the label of no model.
AUTO, NONE = "auto", "none"

_UNLIKE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a file of another kind raises: `OverflowError` of an integer that no float holds,
`RecursionError` of JSON that is nested too deeply."""


def from_load_test(text: str, source: str) -> Measurements:
    """Reads a load test's `report.json`. A test that named a model measures that model's work and
    says nothing about routing.

    Raises:
        ValueError: it is not the report of a load test.
    """
    try:
        found = json.loads(text)
        routed = found["scenario"]["model"] == AUTO
        groups = {_pair(route): group for route, group in found["by_route"].items()}
        groups |= {(ANY, model): group for model, group in found["by_model"].items()}
        of_groups = {key: _of_group(group) for key, group in groups.items()}
        traffic = {key: float(of["requests"]) for key, of in groups.items() if key[0] != ANY}
    except _UNLIKE as error:
        raise ValueError(f"{source}: not the report of a load test") from error
    work = {key: of for key, of in of_groups.items() if of is not None}
    return Measurements(traffic if routed else {}, work, (source,))


def _pair(route: str) -> tuple[str, str]:
    domain, model = route.split(" ")
    return domain, model


def _of_group(group: Mapping[str, Any]) -> Work | None:
    each = group["per_answer"]
    if "engine_seconds" not in each or not group["outcomes"]["answered"]:
        return None
    count = float(group["outcomes"]["answered"])
    return Work(count, count * each["engine_seconds"], count * each.get("completion_tokens", 0.0))


def from_outcomes(lines: Iterable[str], source: str) -> Measurements:
    """Reads the outcomes of `niche compare`: the arm `auto` gives the traffic, all arms give the
    work.

    Raises:
        ValueError: a line is not an outcome.
    """
    parts = []
    try:
        for line in lines:
            fields = json.loads(line)
            parts += _of_outcome(fields) if fields.get("row") else []  # else it is the header
    except _UNLIKE as error:
        raise ValueError(f"{source}: not the outcomes of a comparison") from error
    found = merged(parts)
    return Measurements(found.traffic, found.work, (source,))


def _of_outcome(fields: Mapping[str, Any]) -> list[Measurements]:
    model, usage = fields["model"], fields["usage"]
    domain, seconds = fields["domain"], usage["engine_seconds"]
    if model is None or fields["error"]:
        return []
    traffic = {(domain, model): 1.0} if domain and fields["arm"] == AUTO else {}
    if seconds is None:
        return [Measurements(traffic)]
    work = Work(1.0, float(seconds), float(usage["completion_tokens"] or 0))
    keys = {(ANY, model)} | ({(domain, model)} if domain else set())
    return [Measurements(traffic, dict.fromkeys(keys, work))]


def from_metrics(text: str, source: str) -> Measurements:
    """Reads a gateway's `/metrics`, which count since its start.

    Raises:
        ValueError: these are not the metrics of a gateway.
    """
    try:
        families = tuple(text_string_to_metric_families(text))
    except ValueError:
        families = ()
    samples = [sample for family in families for sample in family.samples]
    if not any(sample.name.startswith("niche_") for sample in samples):
        raise ValueError(f"{source}: not the metrics of a gateway")

    def summed(name: str, key: Callable[[Mapping[str, str]], Any]) -> dict[Any, float]:
        sums: dict[Any, float] = {}
        for sample in samples:
            if sample.name == name and (label := key(sample.labels)) is not None:
                sums[label] = sums.get(label, 0.0) + sample.value
        return sums

    requests = summed("niche_requests_total", _answered)
    seconds = summed("niche_engine_seconds_total", lambda labels: labels["model"])
    tokens = summed("niche_completion_tokens_total", lambda labels: labels["model"])
    work = {
        (ANY, model): Work(count, seconds[model], tokens.get(model, 0.0))
        for model, count in requests.items()
        if count and seconds.get(model)
    }
    traffic = summed("niche_requests_total", _routed)
    return Measurements({key: count for key, count in traffic.items() if count}, work, (source,))


def _answered(labels: Mapping[str, str]) -> str | None:
    return labels["model"] if labels["status_class"] == "2xx" else None


def _routed(labels: Mapping[str, str]) -> tuple[str, str] | None:
    known = NONE not in (labels["domain"], labels["model"])
    named = labels["reason"] == Reason.REQUESTED
    return (labels["domain"], labels["model"]) if known and not named else None
