"""Measurements: where the requests of each domain go, and what each model takes for one.

They come from what this project writes (the `report.json` of a load test, the `outcomes.jsonl` of
`niche compare`, a gateway's metrics) and from values given by hand.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from lab.planning.errors import PlanError
from router.types import Reason

ANY = ""
"""The domain of what is known of a model whatever it is asked."""


@dataclass(frozen=True)
class Work:
    """What so many requests took together: engine seconds, and tokens generated."""

    requests: float
    seconds: float
    tokens: float = 0.0

    def __post_init__(self) -> None:
        if self.requests <= 0 or min(self.seconds, self.tokens) < 0:
            raise ValueError(f"no work: {self}")

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.requests + other.requests,
            self.seconds + other.seconds,
            self.tokens + other.tokens,
        )

    @property
    def seconds_each(self) -> float:
        """Engine seconds of a request."""
        return self.seconds / self.requests

    @property
    def tokens_each(self) -> float:
        """Tokens generated for a request."""
        return self.tokens / self.requests


@dataclass(frozen=True)
class Measurements:
    """All of it.

    Attributes:
        traffic: routed requests by domain and model.
        work: by domain and model; the domain may be `ANY`.
        sources: where it comes from, in words.
    """

    traffic: Mapping[tuple[str, str], float] = field(default_factory=dict)
    work: Mapping[tuple[str, str], Work] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def of(self, domain: str, model: str) -> Work | None:
        """What a model takes for a domain's requests: as seen there, else as seen anywhere."""
        return self.work.get((domain, model)) or self.work.get((ANY, model))

    @property
    def mix(self) -> dict[str, float]:
        """The share of each domain in the traffic; empty where none was seen."""
        total = sum(self.traffic.values())
        shares: dict[str, float] = {}
        for (domain, _), count in self.traffic.items():
            shares[domain] = shares.get(domain, 0.0) + count / total
        return shares

    def route(self, domain: str) -> dict[str, float]:
        """Which share of a domain's requests each model gets; empty where none was seen."""
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
        for key, of in part.work.items():
            work[key] = work[key] + of if key in work else of
        sources += part.sources
    return Measurements(traffic, work, sources)


def with_given_values(
    measured: Measurements,
    seconds: Mapping[str, float],
    tokens: Mapping[str, float],
    speed: Mapping[str, float],
) -> Measurements:
    """What is known in the end.

    Args:
        measured: what was measured.
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
    known: Work | None,
    values: tuple[Mapping[str, float], Mapping[str, float], Mapping[str, float]],
) -> Work:
    seconds, tokens, speed = (of.get(model) for of in values)
    each = tokens if tokens is not None else known and known.tokens_each
    if speed is not None:
        if not each:
            raise PlanError(f"--speed {model}: how many tokens is an answer? give --tokens {model}")
        return Work(1.0, each / speed, each)
    if seconds is None:
        if known is None:
            raise PlanError(f"--tokens {model}: and how fast? give --seconds or --speed {model}")
        seconds = known.seconds_each
    return Work(1.0, seconds, each or 0.0)


# As the gateway writes them: the `model` that asks for routing, and the label of no model.
AUTO, NONE = "auto", "none"


def from_load_test(text: str, source: str) -> Measurements:
    """Of a load test's `report.json`. One that asked a model by its name tells what that model
    takes, and nothing of the traffic.

    Raises:
        ValueError: it is none.
    """
    try:
        found = json.loads(text)
        routed = found["scenario"]["model"] == AUTO
        groups = {_pair(route): group for route, group in found["by_route"].items()}
        groups |= {(ANY, model): group for model, group in found["by_model"].items()}
        of_groups = {key: _of_group(group) for key, group in groups.items()}
        traffic = {key: float(of["requests"]) for key, of in groups.items() if key[0] != ANY}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{source}: no report of a load test") from error
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
    """Of the outcomes that `niche compare` keeps: the arm `auto` tells where requests go, and every
    arm what models take.

    Raises:
        ValueError: a line is none.
    """
    parts = []
    try:
        for line in lines:
            fields = json.loads(line)
            parts += _of_outcome(fields) if fields.get("row") else []  # else it is the header
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{source}: no outcomes of a comparison") from error
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
    """Of what `/metrics` says, since the gateway's start.

    Raises:
        ValueError: it is none of a gateway.
    """
    try:
        families = tuple(text_string_to_metric_families(text))
    except ValueError:
        families = ()
    samples = [sample for family in families for sample in family.samples]
    if not any(sample.name.startswith("niche_") for sample in samples):
        raise ValueError(f"{source}: no metrics of a gateway")

    def summed(name: str, key: Callable[[Mapping[str, str]], Any]) -> dict[Any, float]:
        sums: dict[Any, float] = {}
        for sample in samples:
            if sample.name == name and (of := key(sample.labels)) is not None:
                sums[of] = sums.get(of, 0.0) + sample.value
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
