"""Pools -> Serve options, compared with a golden file."""

import json
from pathlib import Path

import pytest

from deployments.builder import build_pool, serve_options
from deployments.engine import EngineContext
from deployments.pool import Pool, pools
from deployments.server import ServedModelServer
from deployments.spec import Autoscaling, Limits, ModelSpec, Resources

GOLDEN = Path(__file__).parent.parent / "golden" / "serve_options.json"

SPECS = {
    "defaults": ModelSpec(name="small", model="tiny"),
    "replicas": ModelSpec(
        name="sql",
        model="tiny",
        domain="sql",
        replicas=3,
        resources=Resources(num_cpus=2, num_gpus=0.5, memory_bytes=1 << 30),
        limits=Limits(max_ongoing_requests=8, max_queued_requests=1),
    ),
    "autoscaling": ModelSpec(
        name="big",
        model="tiny",
        replicas=2,
        autoscaling=Autoscaling(
            min_replicas=0,
            max_replicas=4,
            target_ongoing_requests=2.5,
            upscale_delay_seconds=3,
            downscale_delay_seconds=60,
        ),
    ),
}

SHARED = [
    ModelSpec(name=name, model="tiny", engine="fake", domain=name, limits=Limits(), replicas=2)
    for name in ("sql", "math")
]

POOLS: dict[str, Pool] = {
    **{case: pool for case, spec in SPECS.items() for pool in pools([spec])},
    "shared": pools(SHARED)[0],
}


@pytest.mark.parametrize("case", sorted(POOLS))
def test_serve_is_told_what_the_spec_says(case: str) -> None:
    """The options are those of the golden file, key by key."""
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))[case]

    assert serve_options(POOLS[case]) == expected


@pytest.mark.parametrize("case", sorted(POOLS))
def test_serve_takes_the_options(case: str) -> None:
    """Ray Serve accepts them, and the application runs the plain class with the specs."""
    pool, context = POOLS[case], EngineContext(Path("unused"))

    deployment = build_pool(pool, context)._bound_deployment  # Serve shows it nowhere else

    assert deployment.name == pool.name
    assert deployment.func_or_class is ServedModelServer
    assert deployment.init_args == (pool.models, context)
    assert pool.asked_at_ports is (case != "autoscaling")
