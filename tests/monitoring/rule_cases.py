"""Cases for the rules: series over time for `promtool test rules`."""

from dataclasses import dataclass, field

WINDOWS = {"5m": "1m", "30m": "5m", "1h": "10m", "2h": "10m", "6h": "1h", "1d": "2h", "3d": "6h"}
"""The windows of burn rates, each with a step that divides it."""


@dataclass(frozen=True)
class AlertCase:
    """Series with their values at each step, a time, and the labels of the alert that then fires.

    Attributes:
        fires: the labels, but for the severity; None: it does not fire.
    """

    name: str
    happens: str
    series: dict[str, str]
    at: str
    fires: dict[str, str] | None
    step: str = "1m"


@dataclass(frozen=True)
class RecordCase:
    """Series, a time, and the one value that a recording rule then has."""

    name: str
    series: dict[str, str]
    at: str
    value: float
    labels: dict[str, str] = field(default_factory=lambda: {"job": "niche"})
    step: str = "10m"


JOB = {"job": "niche"}
SQL = JOB | {"model": "sql"}


def requests(good: str, bad: str) -> dict[str, str]:
    """Counts of requests that were answered, and that failed."""
    return {
        'niche_requests_total{job="niche", model="sql", status_class="2xx"}': good,
        'niche_requests_total{job="niche", model="sql", status_class="5xx"}': bad,
    }


def edge(everything: str, errors: str = "0x999", cut: str = "0x999") -> dict[str, str]:
    """Counts of requests at an edge that was never shut, and of those that failed there."""
    return {
        'niche_edge_requests_total{job="niche"}': everything,
        'niche_edge_failures_total{job="niche", kind="error"}': errors,
        'niche_edge_failures_total{job="niche", kind="cut"}': cut,
        SHUT: "0x999",
    }


def client_errors(everything: str) -> dict[str, str]:
    """Requests that all end with 4xx: the gateway counts their errors, the edge no failure."""
    return edge(everything) | {
        'niche_requests_total{job="niche", model="none", status_class="4xx"}': everything,
        'niche_errors_total{job="niche", code="invalid_type"}': everything,
    }


def first_tokens(all_of_them: str, fast: str) -> dict[str, str]:
    """Counts of first tokens, and of those within the objective."""
    return {
        'niche_time_to_first_token_seconds_count{job="niche", model="sql"}': all_of_them,
        'niche_time_to_first_token_seconds_bucket{job="niche", model="sql", le="2.5"}': fast,
        'niche_requests_total{job="niche", status_class="2xx"}': all_of_them,
    }


def fallbacks(reason: str, times: str, answered: str = "") -> dict[str, str]:
    """Counts of fallbacks from a model, and of its answers; none: it never answered."""
    answers = {'niche_requests_total{job="niche", model="sql", reason="routed"}': answered}
    series = f'niche_dispatch_fallbacks_total{{job="niche", model="sql", reason="{reason}"}}'
    return {series: times} | (answers if answered else {})


def reasons(usual: str, out_of_distribution: str) -> dict[str, str]:
    """Counts of requests by reason."""
    return {
        'niche_requests_total{job="niche", reason="routed"}': usual,
        'niche_requests_total{job="niche", reason="out_of_distribution"}': out_of_distribution,
    }


def confidence(low: str, everything: str) -> dict[str, str]:
    """Counts of decisions, and of those with a confidence of at most a half."""
    series = 'niche_router_confidence_{}{{job="niche", domain="sql"{}}}'
    return {
        series.format("bucket", ', le="0.5"'): low,
        series.format("bucket", ', le="+Inf"'): everything,
        series.format("count", ""): everything,
    }


def costs(real: str, baseline: str) -> dict[str, str]:
    """Sums of cost and baseline cost."""
    return {
        'niche_cost_currency_total{job="niche", model="sql"}': real,
        'niche_cost_baseline_currency_total{job="niche", model="sql"}': baseline,
    }


def evidence(log_e_value: float, state: str) -> dict[str, str]:
    """How strong the evidence for `worse` is, against a threshold of 3, and a state."""
    who = 'job="niche", specialist="sql"'
    return {
        f'niche_evidence_log_e_value{{{who}, claim="worse"}}': f"{log_e_value}x20",
        f'niche_evidence_log_threshold{{{who}, claim="worse"}}': "3x20",
        f'niche_specialist_state{{{who}, state="active"}}': f"{int(state == 'active')}x20",
        f'niche_specialist_state{{{who}, state="probation"}}': f"{int(state == 'probation')}x20",
    }


def model_up(*verdicts: str) -> dict[str, str]:
    """The health of a model, as each gateway reports it."""
    return {
        f'niche_model_up{{job="niche", model="sql", instance="{place}"}}': said
        for place, said in enumerate(verdicts)
    }


BUDGET = 'niche_shadow_budget_used_ratio{job="niche", limit="tokens"}'
STORE = 'niche_evidence_store_errors_total{job="niche"}'
USAGE_FAULTS = 'niche_upstream_usage_faults_total{job="niche", model="sql", fault="too_many"}'
DROPPED_LINES = 'niche_decision_log_drops_total{job="niche"}'
IN_FLIGHT = 'niche_requests_in_flight{job="niche"}'
SHUT = 'niche_edge_shut_seconds_total{job="niche"}'
HEAD, WORKERS = "niche/niche-head", "niche/niche-worker"
HEAD_SHUT = f'niche_edge_shut_seconds_total{{job="{HEAD}"}}'
WORKERS_SHUT = f'niche_edge_shut_seconds_total{{job="{WORKERS}"}}'
ENDED_WITH_AN_ERROR = 'niche_streams_cut_total{job="niche", model="sql"}'
LOST = 'niche_requests_lost_total{job="niche"}'
REJECTED = 'niche_errors_total{job="niche", code="gateway_overloaded"}'
MODEL_REJECTED = 'niche_errors_total{job="niche", code="model_overloaded"}'

_ERRORS = "NicheErrorBudgetBurn"
_LATENCY = "NicheLatencyBudgetBurn"
ALERTS = (
    AlertCase(f"{_ERRORS}Fast", "a fifth fails", edge("0+100x90", "0+20x90"), "70m", JOB),
    AlertCase(f"{_ERRORS}Fast", "few fail", edge("0+1000x90", "0+1x90"), "70m", None),
    AlertCase(f"{_ERRORS}Fast", "a burst of 5xx", edge("0+100x90", "0x60 100+100x30"), "68m", JOB),
    AlertCase(f"{_ERRORS}Fast", "it is over", edge("0+100x90", "0+20x10 200x80"), "50m", None),
    AlertCase(f"{_ERRORS}Fast", "nearly no traffic", edge("0x30 1x60", "0x30 1x60"), "35m", None),
    AlertCase(f"{_ERRORS}Fast", "a tenth is cut", edge("0+100x90", cut="0+10x90"), "70m", JOB),
    AlertCase(
        f"{_ERRORS}Fast",
        "a tenth of the streams ends with an error",
        edge("0+100x90") | {ENDED_WITH_AN_ERROR: "0+10x90"},
        "70m",
        JOB,
    ),
    AlertCase(
        f"{_ERRORS}Fast",
        "gateways are killed again and again",
        edge("0+100x90") | {LOST: "0+10x90"},
        "70m",
        JOB,
    ),
    AlertCase(
        f"{_ERRORS}Fast",
        "connections are refused for six minutes",
        edge("0+25x300 7500x99") | {SHUT: "0x299 0+15x24 360x99"},
        "81m",
        JOB,
        "15s",
    ),
    AlertCase(
        f"{_ERRORS}Fast",
        "the machine is lost",
        {name: f"{values} stale" for name, values in edge("0+25x300", "0x300", "0x300").items()}
        | {SHUT: "0x300 stale"},
        "83m",
        JOB,
        "15s",
    ),
    AlertCase(f"{_ERRORS}Fast", "clients err", client_errors("0+100x90"), "70m", None),
    AlertCase(f"{_ERRORS}Slow", "2 % fail", edge("0+100x150", "0+2x150"), "1d", JOB, "10m"),
    AlertCase(f"{_ERRORS}Slow", "0.4 %", edge("0+1000x150", "0+4x150"), "1d", None, "10m"),
    AlertCase(f"{_ERRORS}Slow", "clients err", client_errors("0+100x150"), "1d", None, "10m"),
    AlertCase(f"{_LATENCY}Fast", "most are late", first_tokens("0+100x90", "0+10x90"), "70m", JOB),
    AlertCase(f"{_LATENCY}Fast", "some are", first_tokens("0+100x90", "0+80x90"), "70m", None),
    AlertCase(
        f"{_LATENCY}Slow", "a fifth", first_tokens("0+100x150", "0+80x150"), "1d", JOB, "10m"
    ),
    AlertCase(f"{_LATENCY}Slow", "few", first_tokens("0+100x150", "0+96x150"), "1d", None, "10m"),
    AlertCase("NicheMetricsAbsent", "nobody reports", {}, "10m", {}),
    AlertCase("NicheMetricsAbsent", "no gateway reports", edge("0x20"), "10m", {}),
    AlertCase("NicheMetricsAbsent", "no edge reports", {IN_FLIGHT: "0x20"}, "10m", {}),
    AlertCase("NicheMetricsAbsent", "both", edge("0x20") | {IN_FLIGHT: "0x20"}, "10m", None),
    AlertCase(
        "NicheEdgeDown",
        "the head is lost",
        {HEAD_SHUT: "0x40 stale", WORKERS_SHUT: "0x80"},
        "12m",
        {"job": HEAD},
        "15s",
    ),
    AlertCase(
        "NicheEdgeDown",
        "the head cannot be reached",
        {HEAD_SHUT: "0x40", WORKERS_SHUT: "0x80"},
        "17m",
        {"job": HEAD},
        "15s",
    ),
    AlertCase(
        "NicheEdgeDown", "connections are refused", {SHUT: "0x40 15+15x40"}, "12m", JOB, "15s"
    ),
    AlertCase("NicheEdgeDown", "another stands in", {SHUT: "0x40 0.2x40"}, "12m", None, "15s"),
    AlertCase("NicheEdgeDown", "it is back", {SHUT: "0x40 stale _x8 0x40"}, "14m", None, "15s"),
    AlertCase(
        "NicheStreamsCut",
        "a gateway dies with its streams",
        edge("0+100x80", cut="0x40 20x40"),
        "12m",
        JOB,
        "15s",
    ),
    AlertCase(
        "NicheStreamsCut",
        "a model's replica dies with its streams",
        edge("0+100x80") | {ENDED_WITH_AN_ERROR: "0x40 20x40"},
        "12m",
        JOB,
        "15s",
    ),
    AlertCase(
        "NicheStreamsCut",
        "a gateway dies with what waits in it",
        edge("0+100x80") | {LOST: "0x40 20x40"},
        "12m",
        JOB,
        "15s",
    ),
    AlertCase(
        "NicheStreamsCut", "one of 800", edge("0+100x80", cut="0x40 1x40"), "12m", None, "15s"
    ),
    AlertCase("NicheStreamsCut", "5xx", edge("0+100x80", errors="0x40 20x40"), "12m", None, "15s"),
    AlertCase(
        "NicheGatewayOverloaded",
        "a tenth is rejected",
        {REJECTED: "0+10x30"} | requests("0+100x30", "0x30"),
        "20m",
        JOB,
    ),
    AlertCase(
        "NicheGatewayOverloaded",
        "a model's wait is too long",
        {MODEL_REJECTED: "0+10x30"} | requests("0+100x30", "0x30"),
        "20m",
        JOB,
    ),
    AlertCase(
        "NicheGatewayOverloaded",
        "few are",
        {REJECTED: "0+1x30"} | requests("0+100x30", "0x30"),
        "20m",
        None,
    ),
    AlertCase(
        "NicheModelUnhealthy", "one gateway sees it down", model_up("1x20", "1 0x19"), "8m", SQL
    ),
    AlertCase("NicheModelUnhealthy", "for a minute", model_up("1x5 0 1x20"), "6m", None),
    AlertCase("NicheModelFailsRequests", "all", fallbacks("unhealthy", "0+9x30"), "20m", SQL),
    AlertCase(
        "NicheModelFailsRequests",
        "one of a hundred",
        fallbacks("unhealthy", "0+1x30", "0+99x30"),
        "20m",
        None,
    ),
    AlertCase(
        "NicheModelFailsRequests",
        "two of four in the night",
        fallbacks("unhealthy", "0x5 2x30", "0x5 2x30"),
        "11m",
        None,
    ),
    AlertCase(
        "NicheModelOverloaded",
        "a tenth falls back",
        fallbacks("overloaded", "0+10x40", "0+90x40"),
        "30m",
        SQL,
    ),
    AlertCase(
        "NicheModelOverloaded",
        "few are",
        fallbacks("overloaded", "0+1x40", "0+99x40"),
        "30m",
        None,
    ),
    AlertCase("NicheUpstreamUsageFaults", "an upstream lies", {USAGE_FAULTS: "0+1x20"}, "8m", SQL),
    AlertCase("NicheUpstreamUsageFaults", "it did so once", {USAGE_FAULTS: "0x5 1x20"}, "8m", None),
    AlertCase("NicheDecisionLogDropsLines", "one is lost", {DROPPED_LINES: "0x5 1x20"}, "8m", JOB),
    AlertCase(
        "NicheDecisionLogDropsLines", "that was long ago", {DROPPED_LINES: "0x5 1x40"}, "30m", None
    ),
    AlertCase(
        "NicheOutOfDistributionIncrease",
        "from 5 % to 30 %",
        reasons("0+95x240", "0+5x216 1085+40x24"),
        "38h",
        JOB,
        "10m",
    ),
    AlertCase(
        "NicheOutOfDistributionIncrease",
        "always 30 %",
        reasons("0+70x240", "0+30x240"),
        "38h",
        None,
        "10m",
    ),
    AlertCase(
        "NicheConfidenceDrift",
        "it falls",
        confidence("0+5x432 2160+90x18", "0+100x450"),
        "74h",
        JOB | {"domain": "sql"},
        "10m",
    ),
    AlertCase(
        "NicheConfidenceDrift",
        "it has always been so",
        confidence("0+50x450", "0+100x450"),
        "74h",
        None,
        "10m",
    ),
    AlertCase(
        "NicheConfidenceDrift",
        "few requests",
        confidence("0+1x432 432+9x18", "0+10x450"),
        "74h",
        None,
        "10m",
    ),
    AlertCase("NicheRoutingCostsMore", "twice", costs("0+2x20", "0+1x20"), "3h", JOB, "10m"),
    AlertCase("NicheRoutingCostsMore", "half", costs("0+1x20", "0+2x20"), "3h", None, "10m"),
    AlertCase(
        "NicheActiveSpecialistIsWorse",
        "it is pinned",
        evidence(3.5, "active"),
        "8m",
        JOB | {"specialist": "sql", "claim": "worse"},
    ),
    AlertCase("NicheActiveSpecialistIsWorse", "too little", evidence(2.5, "active"), "8m", None),
    AlertCase("NicheActiveSpecialistIsWorse", "it was", evidence(3.5, "probation"), "8m", None),
    AlertCase(
        "NicheSpecialistOnProbation",
        "it is",
        evidence(0, "probation"),
        "2m",
        JOB | {"specialist": "sql"},
    ),
    AlertCase("NicheSpecialistOnProbation", "it is active", evidence(0, "active"), "2m", None),
    AlertCase(
        "NicheShadowBudgetAlmostSpent",
        "95 %",
        {BUDGET: "0.95x20"},
        "8m",
        JOB | {"limit": "tokens"},
    ),
    AlertCase("NicheShadowBudgetAlmostSpent", "half", {BUDGET: "0.5x20"}, "8m", None),
    AlertCase("NicheEvidenceStoreErrors", "again and again", {STORE: "0+1x40"}, "20m", JOB),
    AlertCase("NicheEvidenceStoreErrors", "once", {STORE: "0x5 1x40"}, "25m", None),
)

_SAME = "0+1x30"
RECORDS = (
    RecordCase("niche:request_failures:budget", {}, "10m", 0.005, {}),
    RecordCase("niche:slow_first_tokens:budget", {}, "10m", 0.05, {}),
    RecordCase("job:niche_requests:rate1h", requests("0+60x30", "0+60x30"), "2h", 0.2),
    *(
        RecordCase(
            f"job:niche_request_failures:ratio_rate{window}",
            edge("0+100x30", "0+10x30", "0+5x30") | {ENDED_WITH_AN_ERROR: "0+7x30", LOST: "0+3x30"},
            window,
            0.25,
            step=step,
        )
        for window, step in WINDOWS.items()
    ),
    *(
        RecordCase(
            f"job:niche_slow_first_tokens:ratio_rate{window}",
            first_tokens("0+100x30", "0+75x30"),
            window,
            0.25,
            step=step,
        )
        for window, step in WINDOWS.items()
    ),
    RecordCase("job:niche_request_failures:ratio_rate1h", client_errors("0+5x30"), "1h", 0),
    RecordCase("job:niche_request_failures:ratio_rate1h", edge("5x30"), "1h", 0),
    # Down at 13 of the 21 looks of the last five minutes, at which nothing is left to count.
    RecordCase(
        "job:niche_request_failures:ratio_rate5m",
        {SHUT: "0x40 stale"},
        "795s",
        13 / 21,
        step="15s",
    ),
    RecordCase("job:niche_edge_down:ratio", {SHUT: "0x40"}, "10m", 0, step="15s"),
    RecordCase("job:niche_edge_down:ratio", {SHUT: "0+5x40"}, "10m", 1 / 3, step="15s"),
    RecordCase("job:niche_edge_down:ratio", {SHUT: "0x4 stale"}, "50m", 1),
    RecordCase("job:niche_edge_requests:rate1h", edge("0+60x30"), "2h", 0.1),
    RecordCase("job:niche_out_of_distribution:ratio_rate1h", reasons("0+3x30", _SAME), "1h", 0.25),
    RecordCase(
        "job:niche_out_of_distribution:ratio_rate1d",
        reasons("0+3x30", _SAME),
        "1d",
        0.25,
        step="2h",
    ),
    RecordCase("job:niche_savings:ratio_rate1d", costs(_SAME, "0+4x30"), "1d", 0.75, step="2h"),
    *(
        RecordCase(
            f"job_domain_le:niche_router_confidence:share_rate{window}",
            {
                name: values
                for name, values in confidence("0+1x30", "0+4x30").items()
                if "Inf" not in name
            },
            "5h",
            0.25,
            {"job": "niche", "domain": "sql", "le": "0.5"},
        )
        for window in ("1h", "1w")
    ),
)
