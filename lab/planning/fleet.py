"""The deployments that a given traffic needs. Models of a pool share its replicas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab.planning.errors import PlanError
from lab.planning.measurements import Measurements, Work
from lab.planning.queue import Limits, capacity, replicas_needed, wait_quantile


@dataclass(frozen=True)
class Machine:
    """A model, a replica of its deployment, and the allowed number of replicas.

    Attributes:
        name: the model's name.
        domain: its niche; None for the generalist.
        per_hour: what one replica costs, in currency units.
        cpus, gpus: cores and GPUs that one replica reserves.
        min_replicas: the number of replicas that always run.
        max_replicas: the largest allowed number of replicas; None: no limit.
        elsewhere: whether it is no machine of the operator's, so that no replica is planned.
        pool: the pool, or the server, whose replicas it shares; the models of one agree in all but
            name and domain. None: it has replicas of its own.
    """

    name: str
    domain: str | None
    per_hour: float
    cpus: float = 0.0
    gpus: float = 0.0
    min_replicas: int = 1
    max_replicas: int | None = None
    elsewhere: bool = False
    pool: str | None = None

    @property
    def deployment(self) -> str:
        """The name of the deployment whose replicas it has."""
        return self.pool or self.name


@dataclass(frozen=True)
class Demand:
    """A model's load: requests per second, and the mean engine seconds and tokens of a request."""

    rate: float
    seconds: float
    tokens: float

    @classmethod
    def of(cls, parts: Sequence[tuple[float, Work]]) -> "Demand":
        """Combines kinds of requests, each given by its rate and its work."""
        rate = sum(own for own, _ in parts)
        if rate <= 0:
            return cls(0.0, 0.0, 0.0)
        seconds = sum(own * work.seconds_each for own, work in parts) / rate
        return cls(rate, seconds, sum(own * work.tokens_each for own, work in parts) / rate)


@dataclass(frozen=True)
class Deployment:
    """A model, or a pool of several, with as many replicas as it needs.

    Attributes:
        machine: its replica.
        demand: its load.
        replicas: how many it needs: at least the machine's `min_replicas`, and possibly more than
            its `max_replicas`.
        utilization: the share of time that a replica is busy.
        wait: the waiting time in seconds at the limits' quantile.
        capacity: requests per second that these replicas handle within the limits; None: unknown.
        models: of the pool; empty for a model that shares no replicas.
    """

    machine: Machine
    demand: Demand
    replicas: int
    utilization: float
    wait: float
    capacity: float | None
    models: tuple[str, ...] = ()

    @property
    def per_hour(self) -> float:
        """Cost per hour."""
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
        """Cost per hour."""
        return sum(deployment.per_hour for deployment in self.deployments)

    @property
    def cpus(self) -> float:
        """Reserved cores."""
        return sum(deployment.replicas * deployment.machine.cpus for deployment in self.deployments)

    @property
    def gpus(self) -> float:
        """Reserved GPUs."""
        return sum(deployment.replicas * deployment.machine.gpus for deployment in self.deployments)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return sum(deployment.demand.rate for deployment in self.deployments)

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens per second."""
        return sum(
            deployment.demand.rate * deployment.demand.tokens for deployment in self.deployments
        )


def deployment(machine: Machine, demand: Demand, limits: Limits) -> Deployment:
    """Computes the replicas of a machine that the demand needs."""
    if machine.elsewhere:
        return Deployment(machine, demand, 0, 0.0, 0.0, None)
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
    """Computes every deployment.

    Args:
        machines: all models.
        parts: by model name: request rates with the work of such a request.
        limits: the limits on utilization and waiting time.
    """
    found = []
    for group in sharing(machines):
        needed = deployment(group[0], demand_of(group, parts), limits)
        names = tuple(machine.name for machine in group) if group[0].pool else ()
        found.append(replace(needed, models=names))
    return Fleet(tuple(found))


def sharing(machines: Sequence[Machine]) -> list[tuple[Machine, ...]]:
    """The machines by deployment: one alone, or those of a pool."""
    groups: dict[tuple[str | None, str], list[Machine]] = {}
    for machine in machines:
        groups.setdefault((machine.pool, machine.deployment), []).append(machine)
    return [tuple(group) for group in groups.values()]


def demand_of(
    machines: Sequence[Machine], parts: Mapping[str, Sequence[tuple[float, Work]]]
) -> Demand:
    """The load of a deployment: that of all its models."""
    return Demand.of([part for machine in machines for part in parts.get(machine.name, ())])


Parts = dict[str, list[tuple[float, Work]]]


def generalist(machines: Sequence[Machine]) -> Machine:
    """The machine without a domain."""
    return next(machine for machine in machines if machine.domain is None)


def work_of(measured: Measurements, domain: str, model: str) -> Work:
    """What a model takes for a request of a domain.

    Raises:
        PlanError: there is no measurement for the model.
    """
    found = measured.of(domain, model)
    if found is None:
        raise PlanError(
            f"the engine seconds of a request to {model} are unknown; give --measured FILE, "
            f"--metrics URL, or --seconds {model}=SECONDS"
        )
    return found


def shares_of(domain: str, machines: Sequence[Machine], measured: Measurements) -> dict[str, float]:
    """Each model's share of a domain's requests: as measured for the models that exist; without
    measurements, the domain's first specialist or else the generalist gets all."""
    names = {machine.name for machine in machines}
    seen = {model: share for model, share in measured.route(domain).items() if model in names}
    if seen:
        total = sum(seen.values())
        return {model: share / total for model, share in seen.items()}
    own = next((machine for machine in machines if machine.domain == domain), generalist(machines))
    return {own.name: 1.0}


def parts(rates: Mapping[str, float], machines: Sequence[Machine], measured: Measurements) -> Parts:
    """Each model's load with routing.

    Args:
        rates: requests per second by domain.
        machines: the models.
        measured: the measurements.
    """
    found: Parts = {machine.name: [] for machine in machines}
    for domain, rate in rates.items():
        for model, share in shares_of(domain, machines, measured).items():
            if rate * share > 0:
                found[model].append((rate * share, work_of(measured, domain, model)))
    return found


def alone(rates: Mapping[str, float], large: Machine, measured: Measurements) -> Parts:
    """The generalist's load if it answers everything."""
    return {
        large.name: [
            (rate, work_of(measured, domain, large.name)) for domain, rate in rates.items() if rate
        ]
    }
