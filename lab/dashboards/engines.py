"""What the engines do: tokens, seconds of work, queues; and vLLM's own numbers where it runs."""

from lab.dashboards.dashboard import Dashboard, Panel, Query, Row
from lab.dashboards.overview import JOB
from lab.dashboards.queries import HERE, RATE, quantile, summed
from lab.dashboards.specialists import MODEL

_MODEL, _LEGEND = 'model=~"$model"', "{{model}}"


def _curve(title: str, about: str, expr: str, unit: str = "short") -> Panel:
    return Panel(title, about, (Query(expr, _LEGEND),), unit=unit)


def _by_model(metric: str) -> str:
    return summed(metric, "model", where=_MODEL)


def _vllm(title: str, about: str, template: str, unit: str = "short") -> Panel:
    """As a server vLLM says `vllm:`; inside of a replica Ray says `ray_vllm_`."""
    expr = " or ".join(template.replace("VLLM_", prefix) for prefix in ("vllm:", "ray_vllm_"))
    return Panel(title, about, (Query(expr, "{{model_name}}"),), unit=unit)


_WORK = (
    _curve(
        "Generated tokens",
        "Per second, over all replicas.",
        _by_model("niche_completion_tokens_total"),
        "short",
    ),
    _curve(
        "Prompt tokens", "Per second, over all replicas.", _by_model("niche_prompt_tokens_total")
    ),
    _curve(
        "Engines at work",
        "Seconds of engine work per second: how many requests its engines worked on, on average.",
        _by_model("niche_engine_seconds_total"),
    ),
    _curve(
        "Engine seconds per generated token",
        "What a token takes, with the reading of its prompt.",
        f"{_by_model('niche_engine_seconds_total')} / {_by_model('niche_completion_tokens_total')}",
        "s",
    ),
    _curve(
        "Between tokens, p50",
        "Seconds per token after the first.",
        quantile(0.5, "niche_inter_token_latency_seconds", "model", where=_MODEL),
        "s",
    ),
    _curve(
        "Between tokens, p99",
        "Seconds per token after the first.",
        quantile(0.99, "niche_inter_token_latency_seconds", "model", where=_MODEL),
        "s",
    ),
)
_PRESSURE = (
    _curve(
        "Waiting",
        "Requests without a first token yet.",
        f"sum by (model) (niche_requests_queued{{{HERE}, {_MODEL}}})",
    ),
    _curve(
        "Overloaded",
        "Requests that a full queue sent to the next candidate.",
        summed("niche_dispatch_fallbacks_total", "model", where=_MODEL + ', reason="overloaded"'),
        "reqps",
    ),
    _curve(
        "Can answer",
        "0 where a gateway was told otherwise, or heard nothing, when it last asked.",
        f"min by (model) (niche_model_up{{{HERE}, {_MODEL}}})",
    ),
)
_VLLM = (
    _vllm(
        "vLLM: running and waiting",
        "Requests in its scheduler.",
        "sum by (model_name) (VLLM_num_requests_running) + "
        "sum by (model_name) (VLLM_num_requests_waiting)",
    ),
    _vllm(
        "vLLM: KV cache",
        "Used, of all; near 1 it evicts requests.",
        "max by (model_name) (VLLM_kv_cache_usage_perc)",
        "percentunit",
    ),
    _vllm(
        "vLLM: prefix cache",
        "Prompt tokens found in the cache, of those looked for.",
        f"sum by (model_name) (rate(VLLM_prefix_cache_hits_total[{RATE}]))"
        f" / sum by (model_name) (rate(VLLM_prefix_cache_queries_total[{RATE}]))",
        "percentunit",
    ),
)

ENGINES = Dashboard(
    uid="engines",
    title="Engines",
    about="Tokens, seconds of work and queues of each model.",
    variables=(JOB, MODEL),
    rows=(Row("Work", _WORK), Row("Pressure", _PRESSURE), Row("vLLM, where it runs", _VLLM)),
)
