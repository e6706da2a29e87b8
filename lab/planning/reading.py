"""Measurements out of what this project writes: a load test's `report.json`, the `outcomes.jsonl`
of `niche compare`, and a gateway's metrics."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from lab.planning.measured import ANY, Measured, Work, together
from router.types import Reason

# As the gateway writes them: the `model` that asks for routing, and the label of no model.
AUTO, NONE = "auto", "none"


def from_load_test(text: str, source: str) -> Measured:
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
        told = {key: _of_group(group) for key, group in groups.items()}
        traffic = {key: float(of["requests"]) for key, of in groups.items() if key[0] != ANY}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{source}: no report of a load test") from error
    work = {key: of for key, of in told.items() if of is not None}
    return Measured(traffic if routed else {}, work, (source,))


def _pair(route: str) -> tuple[str, str]:
    domain, model = route.split(" ")
    return domain, model


def _of_group(group: Mapping[str, Any]) -> Work | None:
    each = group["per_answer"]
    if "engine_seconds" not in each or not group["outcomes"]["answered"]:
        return None
    count = float(group["outcomes"]["answered"])
    return Work(count, count * each["engine_seconds"], count * each.get("completion_tokens", 0.0))


def from_outcomes(lines: Iterable[str], source: str) -> Measured:
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
    found = together(parts)
    return Measured(found.traffic, found.work, (source,))


def _of_outcome(fields: Mapping[str, Any]) -> list[Measured]:
    model, usage = fields["model"], fields["usage"]
    domain, seconds = fields["domain"], usage["engine_seconds"]
    if model is None or fields["error"]:
        return []
    traffic = {(domain, model): 1.0} if domain and fields["arm"] == AUTO else {}
    if seconds is None:
        return [Measured(traffic)]
    work = Work(1.0, float(seconds), float(usage["completion_tokens"] or 0))
    keys = {(ANY, model)} | ({(domain, model)} if domain else set())
    return [Measured(traffic, dict.fromkeys(keys, work))]


def from_metrics(text: str, source: str) -> Measured:
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
    return Measured({key: count for key, count in traffic.items() if count}, work, (source,))


def _answered(labels: Mapping[str, str]) -> str | None:
    return labels["model"] if labels["status_class"] == "2xx" else None


def _routed(labels: Mapping[str, str]) -> tuple[str, str] | None:
    told = NONE not in (labels["domain"], labels["model"])
    named = labels["reason"] == Reason.REQUESTED
    return (labels["domain"], labels["model"]) if told and not named else None
