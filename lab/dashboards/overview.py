"""What goes through the gateway, how fast, and what fails."""

from lab.dashboards.dashboard import Dashboard, Panel, Query, Row, Variable
from lab.dashboards.queries import HERE, increase, quantile, quantiles, ratio, summed

JOB = Variable("job", "niche_requests_in_flight", "job")
"""Which installations are shown."""

_ALL = summed("niche_requests_total")
_COST, _BASELINE = (
    increase("niche_cost_currency_total"),
    increase("niche_cost_baseline_currency_total"),
)


def _number(title: str, about: str, expr: str, unit: str = "short") -> Panel:
    return Panel(title, about, (Query(expr),), unit=unit, kind="stat", width=4)


_NOW = (
    _number("Requests", "Requests for an answer.", _ALL, "reqps"),
    _number(
        "Routed to specialists",
        "Requests that the router sent to a specialist, of all.",
        ratio(summed("niche_requests_total", where='reason="routed"'), _ALL),
        "percentunit",
    ),
    _number(
        "Failed",
        "Requests that ended with 5xx, of all.",
        ratio(summed("niche_requests_total", where='status_class="5xx"'), _ALL),
        "percentunit",
    ),
    _number(
        "First token, p95",
        "From a request's arrival to its first token.",
        quantile(0.95, "niche_time_to_first_token_seconds"),
        "s",
    ),
    _number(
        "Saved",
        "List price, against all requests answered by the generalist.",
        f"1 - {_COST} / {_BASELINE}",
        "percentunit",
    ),
    _number(
        "Models that cannot answer",
        "Models of which a gateway was told so, or heard nothing, when it last asked.",
        f"count(min by (model) (niche_model_up{{{HERE}}}) == 0) or vector(0)",
    ),
)

_TRAFFIC = tuple(
    Panel(
        f"Requests by {label}",
        about,
        (Query(summed("niche_requests_total", label), f"{{{{{label}}}}}"),),
        unit="reqps",
    )
    for label, about in {
        "domain": "`none` ended before a domain was known.",
        "model": "The model that answered; `none` ended before one did.",
        "reason": "Why this model: the README explains the reasons.",
    }.items()
)

_LATENCY = (
    Panel(
        "Request duration",
        "Arrival to last byte.",
        quantiles("niche_request_duration_seconds"),
        unit="s",
    ),
    Panel(
        "First token, p95 by model",
        "Arrival to first token.",
        (Query(quantile(0.95, "niche_time_to_first_token_seconds", "model"), "{{model}}"),),
        unit="s",
    ),
    Panel(
        "Between tokens, p95 by model",
        "Seconds per token after the first.",
        (Query(quantile(0.95, "niche_inter_token_latency_seconds", "model"), "{{model}}"),),
        unit="s",
    ),
    Panel(
        "Routing",
        "Deciding, with the wait for it.",
        quantiles("niche_router_duration_seconds"),
        unit="s",
    ),
    Panel(
        "Confidence by domain",
        "Mean calibrated probability of the domain that was decided on.",
        (
            Query(
                f"{summed('niche_router_confidence_sum', 'domain')}"
                f" / {summed('niche_router_confidence_count', 'domain')}",
                "{{domain}}",
            ),
        ),
        unit="percentunit",
        bounds=(0, 1),
    ),
    Panel(
        "Classified together",
        "Mean size of a batch of the classifier.",
        (
            Query(
                f"{summed('niche_router_batch_size_sum')}"
                f" / {summed('niche_router_batch_size_count')}",
                "requests",
            ),
        ),
    ),
)

_TROUBLE = (
    Panel(
        "Errors by code",
        "The README has a row for each code.",
        (Query(summed("niche_errors_total", "code"), "{{code}}"),),
        unit="reqps",
    ),
    Panel(
        "Models passed over",
        "Requests that went on to the next candidate, and why.",
        (
            Query(
                summed("niche_dispatch_fallbacks_total", "model", "reason"), "{{model}}: {{reason}}"
            ),
        ),
        unit="reqps",
    ),
    Panel(
        "Waiting and running",
        "Requests in flight, and those of them without a first token.",
        (
            Query(f"sum(niche_requests_in_flight{{{HERE}}})", "in flight"),
            Query(f"sum by (model) (niche_requests_queued{{{HERE}}})", "waits for {{model}}"),
        ),
    ),
    Panel(
        "Lost lines of the decision log",
        "Decisions that are not in the file.",
        (Query(summed("niche_decision_log_drops_total"), "lines per second"),),
        unit="cps",
    ),
)

OVERVIEW = Dashboard(
    uid="overview",
    title="Overview",
    about="Traffic by domain and model, latency, errors.",
    variables=(JOB,),
    rows=(
        Row("Now", _NOW),
        Row("Traffic", _TRAFFIC),
        Row("Latency", _LATENCY),
        Row("Trouble", _TROUBLE),
    ),
)
