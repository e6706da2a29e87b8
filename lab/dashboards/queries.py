"""What many panels ask, as PromQL.

Rule: counters and histograms are added up over gateways; what every gateway tells alike (evidence,
states) is taken once, by `max`.
"""

from lab.dashboards.dashboard import Query

HERE = 'job=~"$job"'
"""The filter that every query has."""
RATE = "$__rate_interval"
QUANTILES = (0.5, 0.95, 0.99)
_ANSWERED = f'niche_requests_total{{{HERE}, status_class="2xx"}}'


def summed(metric: str, *by: str, where: str = "") -> str:
    """The increase of a counter per second."""
    return f"sum{_by(by)}(rate({_series(metric, where)}[{RATE}]))"


def increase(metric: str, *by: str, where: str = "") -> str:
    """The increase of a counter over the time that is shown."""
    return f"sum{_by(by)}(increase({_series(metric, where)}[$__range]))"


def told(metric: str, *by: str, where: str = "") -> str:
    """A gauge of which every gateway tells the same."""
    return f"max{_by(by)}({_series(metric, where)})"


def ratio(part: str, whole: str) -> str:
    """A division that is 0 where the part has no series yet."""
    return f"({part} or vector(0)) / {whole}"


def quantile(q: float, metric: str, *by: str, where: str = "") -> str:
    """A quantile of a histogram."""
    return f"histogram_quantile({q:g}, {summed(f'{metric}_bucket', 'le', *by, where=where)})"


def quantiles(metric: str, where: str = "") -> tuple[Query, ...]:
    """The quantiles of a histogram over everything."""
    return tuple(Query(quantile(q, metric, where=where), f"p{100 * q:g}") for q in QUANTILES)


def mixed(metric: str, bound: str) -> str:
    """A difference to the generalist over all traffic: each specialist's, weighted by its share.

    The bounds may be added so, since they hold for all specialists together. There is no value
    while a specialist that got traffic has none.
    """
    share = (
        f"label_replace(sum by (model) (increase({_ANSWERED}[$__range]))"
        f' / scalar(sum(increase({_ANSWERED}[$__range]))), "specialist", "$1", "model", "(.+)")'
    )
    known = told(metric, "specialist", where=f'bound="{bound}"')
    specialists = told("niche_specialist_state", "specialist")
    unknown = f"(({share}) > 0 and on (specialist) {specialists}) unless on (specialist) {known}"
    return f"sum({known} * on (specialist) {share}) unless on () ({unknown})"


def _series(metric: str, where: str) -> str:
    return f"{metric}{{{', '.join(part for part in (HERE, where) if part)}}}"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)}) " if labels else ""
