"""What the gateway has answered since it started, read from its own metrics."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from gateway.metrics import collected


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests that were answered, by model; cost and baseline cost in currency units."""

    requests: dict[str, int]
    cost: float
    baseline_cost: float

    @property
    def total(self) -> int:
        """All requests that were answered."""
        return sum(self.requests.values())


def traffic(registry: CollectorRegistry, multiprocess_dir: str | None) -> Traffic:
    """The traffic of all gateway processes."""
    requests: dict[str, int] = {}
    costs = {"niche_cost_currency_total": 0.0, "niche_cost_baseline_currency_total": 0.0}
    for family in collected(registry, multiprocess_dir).collect():
        for sample in family.samples:
            if sample.name in costs:
                costs[sample.name] += sample.value
            elif sample.name == "niche_requests_total" and sample.labels["status_class"] == "2xx":
                model = sample.labels["model"]
                requests[model] = requests.get(model, 0) + int(sample.value)
    return Traffic(requests, *costs.values())
