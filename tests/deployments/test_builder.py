"""Pools -> Serve options, compared with a golden file."""

import json
from pathlib import Path

import pytest

from deployments.builder import build_pool, serve_options
from deployments.engine import EngineContext
from deployments.pool import Pool, pools
from deployments.server import ServedModelServer
from deployments.spec import Autoscaling, Limits, ModelSpec, Resources

DRAIN = 605
GOLDEN = Path(__file__).parent.parent / "golden" / "serve_options.json"

SPECS = {
    "defaults": ModelSpec(name="small", model="tiny"),
    "replicas": ModelSpec(
        name="sql",
        model="tiny",
        domain="sql",
        deployment="own",
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

    assert serve_options(POOLS[case], DRAIN) == expected


@pytest.mark.parametrize("case", sorted(POOLS))
def test_serve_takes_the_options(case: str) -> None:
    """Ray Serve accepts them, and the application runs the plain class with the specs."""
    pool, context = POOLS[case], EngineContext(Path("unused"))

    deployment = build_pool(pool, context, DRAIN)._bound_deployment  # Serve shows it nowhere else

    assert deployment.name == pool.name
    assert deployment.func_or_class is ServedModelServer
    assert deployment.init_args == (pool.models, context)
    assert pool.asked_at_ports is (case != "autoscaling")


def test_a_pool_whose_models_change_while_it_runs_is_told_them() -> None:
    """As desired state, which replicas of the same version come to; others get other replicas."""
    context = EngineContext(Path())
    told = build_pool(POOLS["shared"], context, DRAIN, ["a", "b"], "7")._bound_deployment
    own = build_pool(POOLS["defaults"], context, DRAIN, version="7")._bound_deployment

    models = [ModelSpec.model_validate(fields) for fields in told.user_config["models"]]
    assert tuple(models) == POOLS["shared"].models
    assert told.user_config["checksums"] == ["a", "b"]
    assert (told.version, own.version, own.user_config) == ("7", None, None)


@pytest.mark.parametrize(
    ("options", "strategy"),
    [({}, "STRICT_PACK"), ({"pipeline_parallel_size": 2}, "PACK")],
    ids=["tensor parallel", "stages of a pipeline"],
)
def test_several_gpus_of_vllm_are_a_placement_group(options, strategy) -> None:
    """One bundle for each worker; the replica itself is in the first and has no GPU."""
    spec = ModelSpec(
        name="big",
        model="org/big",
        engine="vllm",
        engine_options=options,
        resources=Resources(num_cpus=2, num_gpus=4, memory_bytes=1 << 30),
    )
    given = serve_options(pools([spec])[0], DRAIN)

    first = {"CPU": 2, "GPU": 1, "memory": 1 << 30}
    assert given["placement_group_bundles"] == [first, *[{"GPU": 1}] * 3]
    assert given["placement_group_strategy"] == strategy
    assert given["ray_actor_options"]["num_gpus"] == 0
    build_pool(pools([spec])[0], EngineContext(Path()), DRAIN)  # Ray Serve takes them


def test_one_gpu_of_vllm_is_the_replicas_own() -> None:
    """Its engine runs in a process beside the replica, which sees the same GPU."""
    spec = ModelSpec(name="m", model="org/m", engine="vllm", resources=Resources(num_gpus=1))
    given = serve_options(pools([spec])[0], DRAIN)

    assert given["ray_actor_options"]["num_gpus"] == 1
    assert "placement_group_bundles" not in given
