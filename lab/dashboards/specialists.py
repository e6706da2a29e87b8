"""Each model: its traffic and speed, and each specialist's evidence against the generalist."""

from lab.dashboards.dashboard import Dashboard, Panel, Query, Row, Variable
from lab.dashboards.overview import JOB
from lab.dashboards.queries import HERE, quantile, summed, told
from lab.dashboards.savings import interval

MODEL = Variable("model", "niche_model_up", "model", leave_out="router/classifier")
"""Which models are shown; the classifier is none."""

_MODEL, _SPECIALIST = 'model=~"$model"', 'specialist=~"$model"'
_CLAIM = ("specialist", "claim")
_FAILED = f'{_MODEL}, status_class="5xx"'


def _per_model(title: str, about: str, expr: str, unit: str) -> Panel:
    return Panel(title, about, (Query(expr, "{{model}}"),), unit=unit)


_SERVICE = (
    _per_model(
        "Requests",
        "Requests that it answered.",
        summed("niche_requests_total", "model", where=_MODEL),
        "reqps",
    ),
    _per_model(
        "Share of all requests",
        "Of all that were answered.",
        f"{summed('niche_requests_total', 'model', where=_MODEL)}"
        f" / on () group_left () {summed('niche_requests_total')}",
        "percentunit",
    ),
    _per_model(
        "Failed",
        "Requests that ended with 5xx, of its own.",
        f"{summed('niche_requests_total', 'model', where=_FAILED)}"
        f" / {summed('niche_requests_total', 'model', where=_MODEL)}",
        "percentunit",
    ),
    _per_model(
        "First token, p95",
        "Arrival to first token.",
        quantile(0.95, "niche_time_to_first_token_seconds", "model", where=_MODEL),
        "s",
    ),
    _per_model(
        "Request duration, p95",
        "Arrival to last byte.",
        quantile(0.95, "niche_request_duration_seconds", "model", where=_MODEL),
        "s",
    ),
    _per_model(
        "Tokens per request",
        "Generated tokens, mean.",
        f"{summed('niche_completion_tokens_total', 'model', where=_MODEL)}"
        f" / {summed('niche_requests_total', 'model', where=_MODEL)}",
        "short",
    ),
)
_STATES = (
    Panel(
        "State",
        "Where each specialist stands: only an active one answers.",
        (
            Query(
                f"{told('niche_specialist_state', 'specialist', 'state', where=_SPECIALIST)} == 1",
                "{{specialist}}: {{state}}",
            ),
        ),
        kind="state-timeline",
        width=16,
    ),
    Panel(
        "Moved",
        "Changes of state in the last hour, by who or what moved it.",
        (
            Query(
                "sum by (specialist, after, cause) (increase("
                f"niche_specialist_transitions_total{{{HERE}, {_SPECIALIST}}}[1h]))",
                "{{specialist}} to {{after}} by {{cause}}",
            ),
        ),
    ),
)
_DIFFERENCES = tuple(
    Panel(title, about, interval(metric), unit=unit, bounds=(None, None))
    for title, metric, unit, about in (
        (
            "Quality less the generalist's",
            "niche_evidence_quality_difference_ratio",
            "percentunit",
            "Mean and interval of graded pairs since it came into its state.",
        ),
        (
            "Latency less the generalist's",
            "niche_evidence_latency_difference_seconds",
            "s",
            "Mean and interval over the same pairs.",
        ),
        (
            "Cost less the generalist's",
            "niche_evidence_cost_difference_currency",
            "short",
            "Per request, by list price; mean and interval.",
        ),
    )
)
_EVIDENCE = (
    Panel(
        "Evidence, of what is needed",
        "Logarithm of each claim's e-value, of its threshold's. At 1 the claim moves the "
        "specialist, unless it is pinned.",
        (
            Query(
                f"{told('niche_evidence_log_e_value', *_CLAIM, where=_SPECIALIST)}"
                f" / {told('niche_evidence_log_threshold', *_CLAIM, where=_SPECIALIST)}",
                "{{specialist}}: {{claim}}",
            ),
        ),
        unit="percentunit",
        bounds=(None, None),
    ),
    Panel(
        "Graded pairs",
        "Since it came into its state.",
        (Query(told("niche_evidence_pairs", "specialist", where=_SPECIALIST), "{{specialist}}"),),
    ),
    Panel(
        "Clients' scores",
        "Mean of the scores that clients gave.",
        (
            Query(
                f"{summed('niche_feedback_score_sum', 'model', where=_MODEL)}"
                f" / {summed('niche_feedback_score_count', 'model', where=_MODEL)}",
                "{{model}}",
            ),
        ),
        bounds=(0, 1),
    ),
)

SPECIALISTS = Dashboard(
    uid="specialists",
    title="Specialists",
    about="Each model's traffic and speed, and each specialist's evidence.",
    variables=(JOB, MODEL),
    rows=(
        Row("Service", _SERVICE),
        Row("States", _STATES),
        Row("Against the generalist, on the same requests", _DIFFERENCES),
        Row("Evidence", _EVIDENCE),
    ),
)
