"""The deployments that a given traffic needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.planning.measured import Work
from lab.planning.queue import Limits, capacity, replicas_needed, wait_quantile


@dataclass(frozen=True)
class Machine:
    """A model's replica, and how many there may be.

    Attributes:
        name: of the model.
        domain: its niche; None for the generalist.
        per_hour: what one replica costs, in currency units.
        cpus, gpus: that one replica reserves.
        least: replicas that are there whatever is asked.
        most: replicas that there can be; None: as many as are needed.
    """

    name: str
    domain: str | None
    per_hour: float
    cpus: float = 0.0
    gpus: float = 0.0
    least: int = 1
    most: int | None = None


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
        replicas: how many; no fewer than the machine's `least`, also where its `most` is fewer.
        busy: the share of its time that a replica works.
        wait: what the limits' quantile of requests wait, in seconds.
        takes: requests per second that these replicas take within the limits; None: not known.
    """

    machine: Machine
    demand: Demand
    replicas: int
    busy: float
    wait: float
    takes: float | None

    @property
    def per_hour(self) -> float:
        """What it costs."""
        return self.replicas * self.machine.per_hour

    @property
    def short(self) -> bool:
        """Whether it needs more replicas than its configuration allows."""
        return self.machine.most is not None and self.replicas > self.machine.most


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
    replicas = max(machine.least, int(replicas_needed(demand.rate, demand.seconds, limits)))
    if demand.rate <= 0:
        return Deployment(machine, demand, replicas, 0.0, 0.0, None)
    return Deployment(
        machine,
        demand,
        replicas,
        busy=demand.rate * demand.seconds / replicas,
        wait=float(wait_quantile(replicas, demand.rate, demand.seconds, limits.quantile)),
        takes=capacity(replicas, demand.seconds, limits),
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
