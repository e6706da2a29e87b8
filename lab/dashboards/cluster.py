"""Ray underneath: nodes, autoscaler, and the deployments on Ray Serve, by Ray's own metrics."""

from lab.dashboards.dashboard import Dashboard, Panel, Query, Row, Variable
from lab.dashboards.queries import HERE, quantile, summed

_JOB = Variable("job", "ray_node_cpu_utilization", "job")
_DEPLOYMENT = "{{application}} / {{deployment}}"
_WHICH = ("application", "deployment")


def _deployment(title: str, about: str, expr: str, unit: str = "short") -> Panel:
    return Panel(title, about, (Query(expr, _DEPLOYMENT),), unit=unit)


def _node(title: str, expr: str, unit: str = "percentunit") -> Panel:
    return Panel(title, "By node.", (Query(expr, "{{instance}}"),), unit=unit)


def _used(used: str, total: str) -> str:
    return f"sum by (instance) ({used}{{{HERE}}}) / sum by (instance) ({total}{{{HERE}}})"


_SERVE = (
    _deployment(
        "Healthy replicas",
        "As Serve's controller sees them.",
        f"sum by (application, deployment) (ray_serve_deployment_replica_healthy{{{HERE}}})",
    ),
    _deployment(
        "Queued at callers",
        "Requests that wait for a replica.",
        f"sum by (application, deployment) (ray_serve_deployment_queued_queries{{{HERE}}})",
    ),
    _deployment(
        "In replicas",
        "Requests that replicas work on.",
        f"sum by (application, deployment) (ray_serve_replica_processing_queries{{{HERE}}})",
    ),
    _deployment(
        "Requests",
        "Per second.",
        summed("ray_serve_deployment_request_counter_total", *_WHICH),
        "reqps",
    ),
    _deployment(
        "Errors",
        "Calls that raised, per second.",
        summed("ray_serve_deployment_error_counter_total", *_WHICH),
        "reqps",
    ),
    _deployment(
        "Processing, p95",
        "A call, from its arrival at the replica to its end.",
        quantile(0.95, "ray_serve_deployment_processing_latency_ms", *_WHICH),
        "ms",
    ),
)
_NODES = (
    _node("CPU", f"max by (instance) (ray_node_cpu_utilization{{{HERE}}}) / 100"),
    _node("Memory", _used("ray_node_mem_used", "ray_node_mem_total")),
    Panel(
        "Object store",
        "Bytes by where they lie.",
        (Query(f"sum by (Location) (ray_object_store_memory{{{HERE}}})", "{{Location}}"),),
        unit="bytes",
    ),
    Panel(
        "GPU",
        "By node and device.",
        (
            Query(
                f"max by (instance, GpuIndex) (ray_node_gpus_utilization{{{HERE}}}) / 100",
                "{{instance}} {{GpuIndex}}",
            ),
        ),
        unit="percentunit",
    ),
    Panel(
        "GPU memory",
        "Used, by node and device.",
        (
            Query(
                f"max by (instance, GpuIndex) (ray_node_gram_used{{{HERE}}})",
                "{{instance}} {{GpuIndex}}",
            ),
        ),
        unit="decmbytes",
    ),
    Panel(
        "Nodes",
        "As the autoscaler counts them.",
        tuple(
            Query(
                f"sum by (NodeType) (autoscaler_{kind}_nodes{{{HERE}}})",
                f"{legend} {{{{NodeType}}}}",
            )
            for kind, legend in (
                ("active", "active"),
                ("pending", "pending"),
                ("recently_failed", "failed"),
            )
        ),
    ),
)

CLUSTER = Dashboard(
    uid="ray",
    title="Ray",
    about="Nodes, autoscaler, and the deployments on Ray Serve.",
    variables=(_JOB,),
    rows=(Row("Serve", _SERVE), Row("Nodes", _NODES)),
)
