"""Which metrics there are, with their labels: the gateway's from its registry, the edge's, and
others' known names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import ray.dashboard.modules.metrics.dashboards as rays
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from gateway.edge.counts import FAMILIES
from gateway.evidence.metrics import EvidenceMetrics
from gateway.metrics import Metrics

_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def niche_series() -> dict[str, set[str]]:
    """The labels of every series that a gateway or an edge shows, by its name."""
    registry = CollectorRegistry()
    made = [*vars(Metrics(registry)).values(), *vars(EvidenceMetrics(registry)).values()]
    edge = {family.name: set(family.labels) for family in FAMILIES}
    return edge | {
        f"{metric._name}{suffix}": {*metric._labelnames, *(["le"] if suffix == "_bucket" else [])}
        for metric in made
        if isinstance(metric, MetricWrapperBase)
        for suffix in _SUFFIXES[metric._type]
    }


def named_by_ray(name: str) -> bool:
    """Whether one of Ray's own dashboards asks for a metric; vLLM's have their prefix there."""
    name = name.replace("vllm:", "ray_vllm_")
    [folder] = rays.__path__
    panels = (path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("*_panels.py")))
    return any(name in text for text in panels)


def selectors(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Every metric that an expression asks for, with the labels that it filters by.

    Raises:
        ValueError: it is no PromQL.
    """
    return _selectors(promql_parser.parse(expr))


def _selectors(node: Any) -> Iterator[tuple[str, set[str]]]:
    if isinstance(node, promql_parser.VectorSelector):
        matchers = {matcher.name: matcher.value for matcher in node.matchers.matchers}
        for name in (node.name or matchers["__name__"]).split("|"):
            yield name, matchers.keys() - {"__name__"}
    for part in ("lhs", "rhs", "expr", "param", "args", "vector_selector"):
        inner = getattr(node, part, None)
        for one in inner if isinstance(inner, list) else [inner]:
            if one is not None:
                yield from _selectors(one)
