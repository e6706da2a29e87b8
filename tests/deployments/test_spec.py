"""The operator's words for one model: what is taken, what is refused, and what they mean."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from cli.reference import ENGINE_OPTIONS
from deployments.spec import SHARED_ENGINES, Autoscaling, ModelSpec, Price, engine_names


def make(**settings: Any) -> ModelSpec:
    return ModelSpec(**({"name": "sql", "model": "tiny"} | settings))


def test_the_engines_are_the_files_of_the_folder() -> None:
    """Each public file under `engines/` is an engine; helpers with an underscore are not."""
    assert engine_names() == ("fake", "llama", "openai", "vllm")


@pytest.mark.parametrize("name", ["a", "sql-2", "qwen2.5_coder", "7b", "x" * 63])
def test_a_name_that_urls_and_labels_take_is_taken(name: str) -> None:
    """Lower case, digits, dots, dashes and underscores make a name."""
    assert make(name=name).name == name


@pytest.mark.parametrize(
    "name", ["", "SQL", "-a", ".a", "a b", "a/b", pytest.param("é", id="accent"), "a\n", "x" * 64]
)
def test_another_name_is_refused(name: str) -> None:
    """A name that would need escaping somewhere is refused where it is written."""
    with pytest.raises(ValidationError) as refused:
        make(name=name)

    assert [fault["loc"] for fault in refused.value.errors()] == [("name",)]


def test_an_unknown_engine_lists_those_that_exist() -> None:
    """The error names the value and what is allowed."""
    with pytest.raises(ValidationError, match=r"'vlm'.*fake, llama, openai, vllm"):
        make(engine="vlm")


def test_an_engine_of_older_configurations_names_those_that_took_its_place() -> None:
    """Of which there are two, since it served files and GPUs."""
    with pytest.raises(ValidationError, match=r"llama.*vllm") as refused:
        make(engine="transformers")

    assert [fault["loc"] for fault in refused.value.errors()] == [("engine",)]


@pytest.mark.parametrize("name", ["_slots", "__init__", "fake.py", "../spec"])
def test_a_helper_is_no_engine(name: str) -> None:
    """Only a public module's own name is an engine."""
    with pytest.raises(ValidationError) as refused:
        make(engine=name)

    assert [(fault["loc"], fault["input"]) for fault in refused.value.errors()] == [
        (("engine",), name)
    ]


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        pytest.param({"model": ""}, ("model",), id="no model"),
        pytest.param({"replicas": 0}, ("replicas",), id="no replicas"),
        pytest.param({"resources": {"num_cpus": -1}}, ("resources", "num_cpus"), id="cores owed"),
        pytest.param(
            {"limits": {"max_ongoing_requests": 0}},
            ("limits", "max_ongoing_requests"),
            id="no requests",
        ),
        pytest.param(
            {"price": {"machine_per_hour": -1}},
            ("price", "machine_per_hour"),
            id="a negative price",
        ),
        pytest.param(
            {"price": {"machine_per_hour": math.inf}}, ("price", "machine_per_hour"), id="inf"
        ),
        pytest.param(
            {"engine_options": {"token_seconds": math.inf}}, ("engine_options",), id="an inf"
        ),
        pytest.param(
            {"engine_options": {"extra_body": {"biases": [0.5, math.nan]}}},
            ("engine_options",),
            id="a nan within an option",
        ),
        pytest.param({"colour": "red"}, ("colour",), id="an unknown key"),
        pytest.param({"resources": {"gpus": 1}}, ("resources", "gpus"), id="an unknown inner key"),
    ],
)
def test_a_wrong_value_is_refused_by_name(settings: Any, where: tuple[str, ...]) -> None:
    """The fault is at the key that has it."""
    with pytest.raises(ValidationError) as refused:
        make(**settings)

    assert [fault["loc"] for fault in refused.value.errors()] == [where]


@pytest.mark.parametrize(
    ("settings", "in_gateway"),
    [
        pytest.param({"engine": "openai"}, True, id="an upstream"),
        pytest.param({"engine": "openai", "deployment": "own"}, False, id="one of its own"),
        pytest.param({}, False, id="weights"),
    ],
)
def test_a_model_that_only_forwards_is_asked_by_the_gateway(
    settings: Any, in_gateway: bool
) -> None:
    """Unless the operator wants replicas for it."""
    assert make(**settings).in_gateway is in_gateway


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param({"replicas": 1}, id="replicas"),
        pytest.param({"resources": {"num_cpus": 0.1}}, id="resources"),
        pytest.param({"autoscaling": {"max_replicas": 2}}, id="autoscaling"),
    ],
)
def test_a_setting_of_replicas_needs_replicas(setting: dict[str, Any]) -> None:
    """A key without effect is refused at its place, with the key that would give it one."""
    [key] = setting
    with pytest.raises(ValidationError, match="deployment: own") as refused:
        make(engine="openai", **setting)

    assert [fault["loc"] for fault in refused.value.errors()] == [(key,)]
    assert not make(engine="openai", deployment="own", **setting).in_gateway


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param({"adapter": "sql"}, id="an adapter"),
        pytest.param({"domain": "sql"}, id="a domain"),
        pytest.param({"system_prompt": "be brief"}, id="a system prompt"),
        pytest.param({"initial_state": "shadow"}, id="a state"),
    ],
)
def test_a_model_that_embeds_has_nothing_of_one_that_writes(setting: dict[str, Any]) -> None:
    """A key without effect is refused at its place; where it says nothing, it may be there."""
    [key] = setting
    with pytest.raises(ValidationError) as refused:
        make(kind="embedding", engine="fake", **setting)

    assert [fault["loc"] for fault in refused.value.errors()] == [(key,)]
    embedder = make(kind="embedding", engine="fake")
    assert ModelSpec(**embedder.model_dump()) == embedder


def test_an_engine_that_embeds_nothing_is_refused() -> None:
    """With those that do, of which the default is one."""
    assert make(kind="embedding").engine == "llama"
    with pytest.raises(ValidationError, match="fake, llama, openai") as refused:
        make(kind="embedding", engine="vllm")

    assert [fault["loc"] for fault in refused.value.errors()] == [("engine",)]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        pytest.param({"engine": "openai"}, "openai", id="no process"),
        pytest.param({"engine": "fake", "deployment": "own"}, "deployment", id="own"),
    ],
)
def test_a_pool_needs_an_engine_that_can_share(settings: dict[str, str], named: str) -> None:
    """And no deployment of its own."""
    with pytest.raises(ValidationError, match=named) as refused:
        make(pool="x", **settings)

    assert [fault["loc"] for fault in refused.value.errors()] == [("pool",)]


def test_any_model_may_have_its_own_deployment() -> None:
    """Also where its engine leaves no choice, so that another engine needs no other key."""
    assert not any(make(engine=name, deployment="own").in_gateway for name in engine_names())


@pytest.mark.parametrize("engine", sorted(SHARED_ENGINES))
def test_the_options_of_one_model_are_options_of_the_engine(engine: str) -> None:
    """The list is kept apart from the engine."""
    assert SHARED_ENGINES[engine] <= ENGINE_OPTIONS[engine].model_fields.keys()


def test_an_unknown_engine_is_one_fault() -> None:
    """What depends on the engine is not judged without one."""
    with pytest.raises(ValidationError) as refused:
        make(engine="vlm", deployment="own", pool="x", replicas=2)

    assert [fault["loc"] for fault in refused.value.errors()] == [("engine",)]


def test_autoscaling_goes_from_few_to_many() -> None:
    """A minimum above the maximum names both numbers."""
    with pytest.raises(ValidationError, match=r"min_replicas.*3.*max_replicas.*2"):
        Autoscaling(min_replicas=3, max_replicas=2)


def test_a_spec_does_not_change() -> None:
    """What was validated stays as it was."""
    with pytest.raises(ValidationError):
        make().name = "other"


def test_the_list_price_counts_prompt_and_answer() -> None:
    """Prices are per million tokens of each kind."""
    price = Price(prompt_per_million_tokens=10, completion_per_million_tokens=20)

    assert price.of(1000, 500) == pytest.approx(0.02)
    assert Price().of(1000, 500) == 0


@pytest.mark.parametrize(("cached", "cost"), [(None, 0.02), (0, 0.016), (2.5, 0.017)])
def test_cached_tokens_of_the_prompt_have_their_own_price(
    cached: float | None, cost: float
) -> None:
    """That of the others, if none is given."""
    price = Price(
        prompt_per_million_tokens=10,
        completion_per_million_tokens=20,
        cached_prompt_per_million_tokens=cached,
    )

    assert price.of(1000, 500, 400) == pytest.approx(cost)
