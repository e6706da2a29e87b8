"""The deployments that a given traffic needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.planning.errors import PlanError
from lab.planning.measurements import Measurements, Work
from lab.planning.queue import Limits, capacity, replicas_needed, wait_quantile


@dataclass(frozen=True)
class Machine:
    """A model's replica, and how many there may be.

    Attributes:
        name: of the model.
        domain: its niche; None for the generalist.
        per_hour: what one replica costs, in currency units.
        cpus, gpus: that one replica reserves.
        min_replicas: replicas that run at any load.
        max_replicas: replicas that there can be; None: as many as are needed.
    """

    name: str
    domain: str | None
    per_hour: float
    cpus: float = 0.0
    gpus: float = 0.0
    min_replicas: int = 1
    max_replicas: int | None = None


@dataclass(frozen=True)
class Demand:
    """What comes to a model: requests per second, and what one takes on average."""

    rate: float
    seconds: float
    tokens: float

    @classmethod
    def of(cls, parts: Sequence[tuple[float, Work]]) -> "Demand":
        """Of several kinds of requests: their rates, and what they take."""
        rate = sum(own for own, _ in parts)
        if rate <= 0:
            return cls(0.0, 0.0, 0.0)
        seconds = sum(own * work.seconds_each for own, work in parts) / rate
        return cls(rate, seconds, sum(own * work.tokens_each for own, work in parts) / rate)


@dataclass(frozen=True)
class Deployment:
    """A model with as many replicas as it needs.

    Attributes:
        machine: its replica.
        demand: what comes to it.
        replicas: how many; at least the machine's `min_replicas`, and more than its `max_replicas`
            where those do not suffice.
        utilization: the share of its time that a replica works.
        wait: what the limits' quantile of requests wait, in seconds.
        capacity: requests per second that these replicas take within the limits; None: not known.
    """

    machine: Machine
    demand: Demand
    replicas: int
    utilization: float
    wait: float
    capacity: float | None

    @property
    def per_hour(self) -> float:
        """What it costs."""
        return self.replicas * self.machine.per_hour

    @property
    def short(self) -> bool:
        """Whether it needs more replicas than its configuration allows."""
        return self.machine.max_replicas is not None and self.replicas > self.machine.max_replicas


@dataclass(frozen=True)
class Fleet:
    """All deployments."""

    deployments: tuple[Deployment, ...]

    @property
    def per_hour(self) -> float:
        """What they cost."""
        return sum(of.per_hour for of in self.deployments)

    @property
    def cpus(self) -> float:
        """Cores that they reserve."""
        return sum(of.replicas * of.machine.cpus for of in self.deployments)

    @property
    def gpus(self) -> float:
        """GPUs that they reserve."""
        return sum(of.replicas * of.machine.gpus for of in self.deployments)

    @property
    def rate(self) -> float:
        """Requests per second that come to them."""
        return sum(of.demand.rate for of in self.deployments)

    @property
    def tokens_per_second(self) -> float:
        """That they generate."""
        return sum(of.demand.rate * of.demand.tokens for of in self.deployments)


def deployment(machine: Machine, demand: Demand, limits: Limits) -> Deployment:
    """A machine in as many replicas as the demand needs."""
    replicas = max(machine.min_replicas, int(replicas_needed(demand.rate, demand.seconds, limits)))
    if demand.rate <= 0:
        return Deployment(machine, demand, replicas, 0.0, 0.0, None)
    return Deployment(
        machine,
        demand,
        replicas,
        utilization=demand.rate * demand.seconds / replicas,
        wait=float(wait_quantile(replicas, demand.rate, demand.seconds, limits.quantile)),
        capacity=capacity(replicas, demand.seconds, limits),
    )


def fleet(
    machines: Sequence[Machine],
    parts: Mapping[str, Sequence[tuple[float, Work]]],
    limits: Limits,
) -> Fleet:
    """Every machine, with what comes to it.

    Args:
        machines: all of them.
        parts: by name: rates, and what requests of these rates take.
        limits: when replicas are enough.
    """
    return Fleet(
        tuple(deployment(of, Demand.of(parts.get(of.name, ())), limits) for of in machines)
    )


Parts = dict[str, list[tuple[float, Work]]]


def generalist(machines: Sequence[Machine]) -> Machine:
    """The one without a domain."""
    return next(of for of in machines if of.domain is None)


def work_of(measured: Measurements, domain: str, model: str) -> Work:
    """What a model takes for a request of a domain.

    Raises:
        PlanError: nothing is known of the model.
    """
    found = measured.of(domain, model)
    if found is None:
        raise PlanError(
            f"nothing is known of what {model} takes for a request; give --measured FILE, "
            f"--metrics URL, or --seconds {model}=SECONDS"
        )
    return found


def shares_of(domain: str, machines: Sequence[Machine], measured: Measurements) -> dict[str, float]:
    """Which share of a domain's requests each model gets: as measured, so far as the models are
    there; else all of them its first specialist, or the generalist."""
    names = {of.name for of in machines}
    seen = {model: share for model, share in measured.route(domain).items() if model in names}
    if seen:
        total = sum(seen.values())
        return {model: share / total for model, share in seen.items()}
    own = next((of for of in machines if of.domain == domain), generalist(machines))
    return {own.name: 1.0}


def parts(rates: Mapping[str, float], machines: Sequence[Machine], measured: Measurements) -> Parts:
    """What comes to each model, routed.

    Args:
        rates: requests per second by domain.
        machines: the models.
        measured: what is known.
    """
    found: Parts = {of.name: [] for of in machines}
    for domain, rate in rates.items():
        for model, share in shares_of(domain, machines, measured).items():
            if rate * share > 0:
                found[model].append((rate * share, work_of(measured, domain, model)))
    return found


def alone(rates: Mapping[str, float], large: Machine, measured: Measurements) -> Parts:
    """What comes to the generalist if it answers everything."""
    return {
        large.name: [
            (rate, work_of(measured, domain, large.name)) for domain, rate in rates.items() if rate
        ]
    }
