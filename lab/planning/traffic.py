"""Which requests come to which model, by the mix of domains."""

from collections.abc import Mapping, Sequence

from lab.planning.fleet import Machine
from lab.planning.measured import Measured, Work

Parts = dict[str, list[tuple[float, Work]]]


class PlanError(Exception):
    """It cannot be computed; the message says what is missing."""


def generalist(machines: Sequence[Machine]) -> Machine:
    """The one without a domain."""
    return next(of for of in machines if of.domain is None)


def work_of(measured: Measured, domain: str, model: str) -> Work:
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


def shares_of(domain: str, machines: Sequence[Machine], measured: Measured) -> dict[str, float]:
    """Which share of a domain's requests each model gets: as measured, so far as the models are
    there; else all of them its first specialist, or the generalist."""
    names = {of.name for of in machines}
    seen = {model: share for model, share in measured.route(domain).items() if model in names}
    if seen:
        total = sum(seen.values())
        return {model: share / total for model, share in seen.items()}
    own = next((of for of in machines if of.domain == domain), generalist(machines))
    return {own.name: 1.0}


def parts(rates: Mapping[str, float], machines: Sequence[Machine], measured: Measured) -> Parts:
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


def alone(rates: Mapping[str, float], large: Machine, measured: Measured) -> Parts:
    """What comes to the generalist if it answers everything."""
    return {
        large.name: [
            (rate, work_of(measured, domain, large.name)) for domain, rate in rates.items() if rate
        ]
    }
