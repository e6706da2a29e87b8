"""What shares a deployment with what."""

from typing import Any

import pytest

from deployments.pool import PoolConflict, pools
from deployments.spec import ModelSpec

BASE: dict[str, Any] = {"model": "tiny", "engine": "fake"}
FAR: dict[str, Any] = {"model": "m", "engine": "openai"}


def specialist(name: str, **settings: Any) -> ModelSpec:
    return ModelSpec(**({"name": name, "domain": name} | BASE | settings))


def generalist(**settings: Any) -> ModelSpec:
    return ModelSpec(**({"name": "big"} | BASE | settings))


def grouped(*specs: ModelSpec) -> dict[str, tuple[str, ...]]:
    """The models of each application."""
    return {pool.app_name: pool.model_names for pool in pools(specs)}


ONE_POOL = {"pool-tiny": ("a", "b")}
TWO_POOLS = {"pool-tiny": ("a",), "pool-tiny-2": ("b",)}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, ONE_POOL, id="all the same"),
        pytest.param({"adapter": "b"}, ONE_POOL, id="another adapter"),
        pytest.param({"system_prompt": "be brief"}, ONE_POOL, id="another system prompt"),
        pytest.param({"limits": {"max_ongoing_requests": 1}}, ONE_POOL, id="other limits"),
        pytest.param({"price": {"prompt_per_million_tokens": 1}}, ONE_POOL, id="another price"),
        pytest.param({"initial_state": "shadow"}, ONE_POOL, id="another state"),
        pytest.param({"engine_options": {"reply": "x"}}, ONE_POOL, id="an option of the model"),
        pytest.param(
            {"engine_options": {"token_seconds": 1}}, TWO_POOLS, id="an option of the process"
        ),
        pytest.param({"resources": {"num_cpus": 2}}, TWO_POOLS, id="other resources"),
        pytest.param({"replicas": 2}, TWO_POOLS, id="other replicas"),
        pytest.param({"autoscaling": {"max_replicas": 2}}, TWO_POOLS, id="another autoscaling"),
        pytest.param({"price": {"machine_per_hour": 1}}, TWO_POOLS, id="another machine"),
        pytest.param(
            {"model": "Org/Base:q4.gguf"},
            {"pool-tiny": ("a",), "pool-org-base-q4.gguf": ("b",)},
            id="another base",
        ),
        pytest.param(
            {"deployment": "own"}, {"pool-tiny": ("a",), "model-b": ("b",)}, id="a deployment"
        ),
        pytest.param({"pool": "tiny"}, ONE_POOL, id="the pool of the base by name"),
        pytest.param({"pool": "x"}, {"pool-tiny": ("a",), "pool-x": ("b",)}, id="a named pool"),
        pytest.param({"engine": "llama"}, TWO_POOLS, id="another engine"),
        pytest.param(FAR, {"pool-tiny": ("a",)}, id="a model that the gateway asks itself"),
        pytest.param(
            FAR | {"deployment": "own"},
            {"pool-tiny": ("a",), "model-b": ("b",)},
            id="an upstream with replicas",
        ),
    ],
)
def test_models_that_agree_in_what_a_process_has_share_it(
    settings: dict[str, Any], expected: dict[str, tuple[str, ...]]
) -> None:
    """What belongs to one model, or to the gateway, may differ."""
    assert grouped(specialist("a"), specialist("b", **settings)) == expected


def test_the_generalist_has_its_own() -> None:
    """It answers when the specialists' pool fails."""
    assert grouped(generalist(), specialist("a")) == {"model-big": ("big",), "pool-tiny": ("a",)}


def test_a_model_that_embeds_has_its_own() -> None:
    """Unless the operator names a pool of such models."""
    embedder: dict[str, Any] = {"domain": None, "kind": "embedding"}
    found = grouped(
        specialist("a"),
        specialist("b", **embedder),
        specialist("c", pool="x", **embedder),
        specialist("d", pool="x", **embedder),
    )

    assert found == {"pool-tiny": ("a",), "model-b": ("b",), "pool-x": ("c", "d")}


@pytest.mark.parametrize("name", ["tiny", "all"])
def test_the_generalist_joins_a_pool_that_it_names(name: str) -> None:
    """One that is named after its base needs no word of the specialists."""
    of_specialists = {} if name == "tiny" else {"pool": name}
    found = grouped(generalist(pool=name), specialist("a", **of_specialists))

    assert found == {f"pool-{name}": ("big", "a")}


def test_pools_and_their_models_are_in_the_order_of_the_file() -> None:
    """Each deployment comes where its first model is."""
    found = grouped(
        specialist("a", replicas=2),
        generalist(),
        specialist("b", pool="x"),
        specialist("c", replicas=2),
        specialist("d"),
        specialist("e", pool="x"),
    )

    assert list(found.items()) == [
        ("pool-tiny", ("a", "c")),
        ("model-big", ("big",)),
        ("pool-x", ("b", "e")),
        ("pool-tiny-2", ("d",)),
    ]


def test_a_named_pool_keeps_its_name() -> None:
    """Models of the base that differ get the next one."""
    found = grouped(specialist("a"), specialist("b", pool="tiny", replicas=2))

    assert found == {"pool-tiny-2": ("a",), "pool-tiny": ("b",)}


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("/models/My Base", "models-my-base"),
        ("...", "pool"),
        ("x" * 80, "x" * 50),
    ],
)
def test_a_base_gives_a_name_that_urls_and_labels_take(base: str, name: str) -> None:
    """Lower case, digits, dots, dashes and underscores."""
    [pool] = pools([specialist("a", model=base)])

    assert (pool.name, pool.shared) == (name, True)


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        pytest.param({"model": "large"}, ("model",), id="base"),
        pytest.param({"kind": "embedding", "domain": None}, ("kind",), id="kind"),
        pytest.param(
            {"engine_options": {"token_seconds": 1}}, ("engine_options.token_seconds",), id="option"
        ),
        pytest.param(
            {"resources": {"num_gpus": 1, "num_cpus": 2}},
            ("resources.num_cpus", "resources.num_gpus"),
            id="resources",
        ),
        pytest.param({"replicas": 2}, ("replicas",), id="replicas"),
        pytest.param({"autoscaling": {}}, ("autoscaling",), id="autoscaling"),
        pytest.param({"price": {"machine_per_hour": 1}}, ("price.machine_per_hour",), id="price"),
    ],
)
def test_the_models_of_a_named_pool_agree(settings: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Who wrote them together is told which keys keep them apart."""
    specs = [specialist("a", pool="x"), specialist("b", pool="x", **settings)]

    with pytest.raises(PoolConflict) as refused:
        pools(specs)

    conflict = refused.value
    assert (conflict.pool, conflict.model, conflict.keys) == ("x", "b", keys)
    assert "\n" not in str(conflict)


VLLM = {"engine": "vllm", "adapter": "a"}
BARE = {"engine": "vllm"}


@pytest.mark.parametrize(
    ("before", "after", "can"),
    [
        pytest.param(VLLM, {"adapter": "b"}, True, id="another adapter"),
        pytest.param(VLLM, {"system_prompt": "be brief"}, True, id="another system prompt"),
        pytest.param(VLLM, {"engine_options": {"default_top_p": 0.5}}, True, id="of the model"),
        pytest.param(VLLM, {"engine_options": {"seed": 1}}, False, id="of the process"),
        pytest.param(VLLM, {"resources": {"num_gpus": 1}}, False, id="other resources"),
        pytest.param(VLLM, {"adapter": None}, True, id="no adapter any more"),
        pytest.param(BARE, {"adapter": "a"}, False, id="the first adapter"),
        pytest.param(
            BARE | {"engine_options": {"enable_lora": True}},
            {"adapter": "a"},
            True,
            id="the first adapter, with room for it",
        ),
        pytest.param({"engine": "llama"}, {"adapter": "b"}, False, id="an engine that cannot"),
    ],
)
def test_a_pool_becomes_another_while_it_runs(
    before: dict[str, Any], after: dict[str, Any], can: bool
) -> None:
    """Where the engine can, and its process stays what it is."""
    [old], [new] = pools([specialist("a", **before)]), pools([specialist("a", **before | after)])

    assert old.can_become(new) == can


def test_while_a_pool_changes_it_has_the_models_of_both() -> None:
    """Those that stay as they are to be."""
    [old] = pools([specialist("a"), specialist("b")])
    [new] = pools([specialist("b", system_prompt="new"), specialist("c")])

    assert new.with_those_of(old).models == (*new.models, old.models[0])
