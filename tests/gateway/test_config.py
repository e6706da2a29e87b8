"""`niche.yaml`: what is taken, and the one clear line for each fault."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from gateway.config import ConfigError, NicheConfig
from gateway.config_file import load_config, parse_config
from gateway.edge.settings import DoorSettings
from gateway.shadow_config import GradingSection
from lab.specialists.registry import NICHES

ROOT = Path(__file__).parents[2]

GENERALIST = {"name": "big", "model": "tiny", "engine": "fake"}
JUDGE = {"base_url": "http://judge/v1", "model": "wise"}
SQL = {"name": "sql", "model": "tiny", "engine": "fake", "domain": "sql"}


def raw(*specialists: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {"generalist": GENERALIST, "specialists": list(specialists)} | sections


def shadow(**settings: Any) -> dict[str, Any]:
    return raw(SQL, gateway={"shadow": {"path": "evidence.db"} | settings})


def faults(config: Any) -> list[str]:
    """The lines of the error, each without the file's name, which all begin with."""
    with pytest.raises(ConfigError) as refused:
        parse_config(config, "niche.yaml")
    lines = str(refused.value).split("\n")
    assert all(line.startswith("niche.yaml: ") for line in lines)
    return [line.removeprefix("niche.yaml: ") for line in lines]


def test_the_default_stack_is_valid() -> None:
    """The repository's own file describes a generalist, a specialist for each niche, and a model
    that embeds."""
    config = load_config(ROOT / "niche.yaml")

    assert [spec.name for spec in config.generating] == ["generalist", *NICHES]
    assert [spec.name for spec in config.embeddings] == ["all-minilm-l6-v2"]
    assert [spec.adapter for spec in config.specialists] == list(NICHES)
    assert config.models_of("sql") == ("sql",)
    assert config.models_of("poems") == ()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda of: of.name)
def test_the_examples_are_valid(path: Path) -> None:
    """What is shown can be started, with the same specialists as the default stack."""
    config = load_config(path)

    assert [spec.name for spec in config.specialists] == list(NICHES)


def test_a_generalist_is_enough() -> None:
    """All else has a default."""
    config = parse_config({"generalist": GENERALIST}, "niche.yaml")

    assert config.specialists == ()
    assert config.gateway.port == 8000


def test_the_specialists_of_a_domain_keep_their_order() -> None:
    """The first that is written is asked first."""
    config = parse_config(raw(SQL, SQL | {"name": "a-sql"}), "niche.yaml")

    assert config.models_of("sql") == ("sql", "a-sql")


def test_specialists_that_agree_share_a_deployment() -> None:
    """The generalist has its own, and a model behind another server has none."""
    far = {"name": "far", "engine": "openai", "engine_options": {"base_url": "http://far/v1"}}
    config = parse_config(raw(SQL, SQL | {"name": "b"}, SQL | far), "niche.yaml")

    names = [(pool.app_name, pool.model_names) for pool in config.pools]
    assert names == [("model-big", ("big",)), ("pool-tiny", ("sql", "b"))]


def test_models_are_of_the_kind_of_their_list() -> None:
    """They need not say so; each has its own deployment."""
    vectors, ranker = (
        {"name": name, "model": "tiny", "engine": "fake"} for name in ("vectors", "ranker")
    )
    config = parse_config(raw(SQL, embeddings=[vectors], rerankers=[ranker]), "niche.yaml")

    assert {spec.name: spec.kind for spec in config.models} == {
        **{"big": "generation", "sql": "generation"},
        **{"vectors": "embedding", "ranker": "reranking"},
    }
    assert [spec.name for spec in config.generating] == ["big", "sql"]
    assert [pool.app_name for pool in config.pools] == [
        *("model-big", "pool-tiny", "model-vectors", "model-ranker")
    ]
    assert parse_config(config.model_dump(mode="json"), "niche.yaml") == config


def test_a_secret_in_the_place_of_a_variable_is_not_repeated() -> None:
    """Errors end in logs."""
    [line] = faults(raw(gateway={"response_store": {"redis_url_env": "redis://:s3cret@host"}}))

    assert line.startswith("gateway.response_store.redis_url_env: ")
    assert "s3cret" not in line


def test_a_configuration_does_not_change() -> None:
    """What was validated stays as it was."""
    config = parse_config(raw(), "niche.yaml")

    with pytest.raises(ValidationError):
        config.gateway.port = 1


@pytest.mark.parametrize(
    ("config", "key", "named"),
    [
        pytest.param(raw(colour="red"), "colour", ["'red'", "router"], id="an unknown section"),
        pytest.param(
            raw(observability={"money": 80}),
            "observability.money",
            ["80", "decision_log"],
            id="an unknown key",
        ),
        pytest.param(
            raw(SQL | {"modle": "x"}),
            "specialists.0.modle",
            ["'x'", "model"],
            id="an unknown key of a specialist",
        ),
        pytest.param(
            raw(gateway={"port": 70000}), "gateway.port", ["70000", "65535"], id="a bad number"
        ),
        pytest.param(
            raw(gateway={"request_timeout_seconds": 604_801}),
            "gateway.request_timeout_seconds",
            ["604801", "604800"],
            id="more than HAProxy's timers hold",
        ),
        pytest.param(
            raw(gateway={"head_timeout_seconds": 0.0004}),
            "gateway.head_timeout_seconds",
            ["0.0004", "0.001"],
            id="no millisecond",
        ),
        pytest.param(
            raw(gateway={"replicas": "two"}), "gateway.replicas", ["'two'"], id="no number"
        ),
        pytest.param(
            raw(router={"min_confidence": 1.5}),
            "router.min_confidence",
            ["1.5"],
            id="no probability",
        ),
        pytest.param(
            raw(observability={"currency": ""}), "observability.currency", ["''"], id="no currency"
        ),
        pytest.param(
            raw(SQL | {"engine": "vlm"}),
            "specialists.0.engine",
            ["'vlm'", "llama"],
            id="an unknown engine",
        ),
        pytest.param({}, "generalist", [], id="no generalist"),
        pytest.param(
            raw(gateway={"response_store": {"max_age_hours": 1}}),
            "gateway.response_store",
            ["path", "redis_url_env"],
            id="a store without a place",
        ),
        pytest.param(
            raw(gateway={"response_store": {"path": "r.db", "redis_url_env": "REDIS_URL"}}),
            "gateway.response_store",
            ["path", "redis_url_env"],
            id="a store in two places",
        ),
        pytest.param(raw(SQL, SQL), "specialists[0].name", ["'sql'"], id="a name twice"),
        pytest.param(
            raw(SQL | {"name": "big"}), "specialists[0].name", ["'big'"], id="the generalist's name"
        ),
        pytest.param(
            raw(SQL | {"name": "auto"}),
            "specialists[0].name",
            ["'auto'"],
            id="a specialist named auto",
        ),
        pytest.param(
            raw(generalist=GENERALIST | {"name": "auto"}),
            "generalist.name",
            ["'auto'"],
            id="a generalist named auto",
        ),
        pytest.param(
            raw(GENERALIST | {"name": "other"}),
            "specialists[0].domain",
            ["'other'"],
            id="a specialist without a domain",
        ),
        pytest.param(
            raw(SQL | {"domain": "general"}),
            "specialists[0].domain",
            ["'general'"],
            id="a specialist for everything",
        ),
        pytest.param(
            raw(SQL | {"pool": "x"}, SQL | {"name": "b", "pool": "x", "model": "large"}),
            "specialists[1].pool",
            ["'x'", "sql", "b", "model"],
            id="a pool of two bases",
        ),
        pytest.param(
            raw(embeddings=[GENERALIST]),
            "embeddings[0].name",
            ["'big'"],
            id="the generalist's name for a model that embeds",
        ),
        pytest.param(
            raw(embeddings=[GENERALIST | {"name": "v", "kind": "generation"}]),
            "embeddings[0].kind",
            ["generation"],
            id="a model that writes among those that embed",
        ),
        pytest.param(
            raw(generalist=GENERALIST | {"kind": "embedding"}),
            "generalist.kind",
            ["embeddings"],
            id="a generalist that embeds",
        ),
        pytest.param(
            raw(embeddings=[GENERALIST | {"name": "v", "kind": "reranking"}]),
            "embeddings[0].kind",
            ["rerankers"],
            id="a model that ranks among those that embed",
        ),
        pytest.param(
            raw(SQL | {"engine": "transformers"}),
            "specialists.0.engine",
            ["'transformers'", "llama", "vllm"],
            id="an engine of older versions",
        ),
        pytest.param(
            raw(embeddings=[GENERALIST | {"name": "v", "engine": "vllm"}]),
            "embeddings.0.engine",
            ["'vllm'", "llama"],
            id="an engine that embeds nothing",
        ),
        pytest.param(
            raw(SQL | {"pool": "x"}, embeddings=[GENERALIST | {"name": "v", "pool": "x"}]),
            "embeddings[0].pool",
            ["'x'", "sql", "v", "kind"],
            id="a pool of two kinds",
        ),
        pytest.param(raw(embeddings={"name": "v"}), "embeddings", [], id="no list"),
        pytest.param(
            raw(generalist=GENERALIST | {"domain": "sql"}),
            "generalist.domain",
            [],
            id="a generalist with a domain",
        ),
        pytest.param(
            shadow(grading=[{"specialist": "sq"}]),
            "gateway.shadow.grading",
            ["sq", "sql"],
            id="grading of nobody",
        ),
        pytest.param(
            shadow(sample_ratio=0), "gateway.shadow.sample_ratio", ["0"], id="a sample of nothing"
        ),
        pytest.param(
            shadow(grading=[{"specialist": "sql", "grade": "x"}]),
            "gateway.shadow.grading.0.grade",
            ["'x'", "method"],
            id="an unknown key of a grading",
        ),
        pytest.param(
            raw(SQL | {"initial_state": "shadow"}),
            "specialists[0].initial_state",
            ["'shadow'", "gateway.shadow"],
            id="a state that nothing would end",
        ),
        pytest.param(
            shadow() | {"router": {"selection": {"quality_point_worth": 0.001}}},
            "router.selection.quality_point_worth",
            ["price"],
            id="a worth in money where nothing costs any",
        ),
        pytest.param(
            shadow() | {"router": {"selection": {"quality_point_worth": float("inf")}}},
            "router.selection.quality_point_worth",
            ["inf"],
            id="a worth beyond all money",
        ),
        pytest.param(
            shadow(judge=JUDGE | {"base_url": "http://127.0.0.1:8000/v1/"}),
            "gateway.shadow.judge",
            ["'wise'"],
            id="a judge asked through this gateway",
        ),
        pytest.param(
            shadow(grading=[{"specialist": "sql"}, {"specialist": "sql"}]),
            "gateway.shadow",
            ["grading", "sql"],
            id="two gradings of one specialist",
        ),
        pytest.param(
            shadow(grading=[{"specialist": "sql", "method": "judge"}]),
            "gateway.shadow",
            ["sql", "gateway.shadow.judge"],
            id="judged without a judge",
        ),
        pytest.param(
            shadow(grading=[{"specialist": "sql", "keys": ["x"]}]),
            "gateway.shadow.grading.0",
            ["keys", "method: json"],
            id="keys of what need not be JSON",
        ),
        pytest.param(
            shadow(grading=[{"specialist": "sql", "grader": "best"}]),
            "gateway.shadow.grading.0.grader",
            ["'best'", "choice"],
            id="an unknown grader",
        ),
    ],
)
def test_a_fault_is_one_line_with_key_and_value(config: Any, key: str, named: list[str]) -> None:
    """The error names the key as it is written, the value, and what is allowed."""
    [line] = faults(config)

    assert line.startswith(f"{key}: ")
    assert all(word in line for word in named)


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize(
    "key",
    [
        "gateway.body_timeout_seconds",
        "gateway.images.timeout_seconds",
        "generalist.price.machine_per_hour",
        "generalist.first_token_timeout_seconds",
        "router.max_ood_score",
        "router.selection.quality_point_worth",
    ],
)
def test_what_is_not_finite_is_no_number(key: str, number: float) -> None:
    """YAML has `.inf` and `.nan`, which no timer counts to, and whose prices have no sum."""
    section, *parents, last = key.split(".")
    given = {last: number}
    for parent in reversed(parents):
        given = {parent: given}

    [line] = faults(raw(**{section: GENERALIST | given if section == "generalist" else given}))

    assert line.startswith(f"{key}: ")


@pytest.mark.parametrize("content", [None, [1], "x"], ids=["an empty file", "a list", "a word"])
def test_a_file_is_a_mapping(content: Any) -> None:
    """Nothing else has sections."""
    assert len(faults(content)) == 1


def test_every_fault_has_its_line() -> None:
    """Faults of several sections are told at once."""
    wrong = raw(SQL | {"replicas": 0}, gateway={"port": 0, "colour": 1})

    keys = [line.split(":")[0] for line in faults(wrong)]

    assert sorted(keys) == ["gateway.colour", "gateway.port", "specialists.0.replicas"]


def test_a_missing_key_does_not_repeat_its_section() -> None:
    """What else stands in the section, such as an upstream's options, is not shown."""
    nameless = {"model": "tiny", "engine_options": {"base_url": "http://user:secret@upstream"}}

    [line] = faults(raw(generalist=nameless))

    assert line.startswith("generalist.name: ")
    assert "secret" not in line


def test_a_missing_file_names_the_option() -> None:
    """The error says how to name another file."""
    with pytest.raises(ConfigError, match=r"^nowhere\.yaml: .*--config"):
        load_config(Path("nowhere.yaml"))


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    """What cannot be read is an error of the configuration."""
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
        load_config(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"generalist: [", id="an open bracket"),
        pytest.param(b"a: b: c", id="two colons"),
        pytest.param(b"generalist: \xff\xfe", id="no text"),
        pytest.param(b"a: \x01", id="a control character"),
        pytest.param(b"a: !!python/object/apply:os.getcwd []", id="a program"),
        pytest.param(b"a: *nobody", id="an unknown alias"),
        pytest.param(b"gateway: {port: 1}\ngateway: {port: 2}", id="a section twice"),
    ],
)
def test_what_is_not_yaml_is_one_line(tmp_path: Path, content: bytes) -> None:
    """A file that cannot be parsed names itself and the place, in one line."""
    path = tmp_path / "niche.yaml"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as refused:
        load_config(path)

    assert str(refused.value).startswith(f"{path}: not YAML: ")
    assert "\n" not in str(refused.value)


def test_a_file_says_what_its_model_holds(tmp_path: Path) -> None:
    """What is written from a configuration is read as the same configuration."""
    config = parse_config(raw(SQL, gateway={"port": 81}), "niche.yaml")
    path = tmp_path / "niche.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")))

    assert load_config(path) == config
    assert isinstance(config, NicheConfig)


@pytest.mark.parametrize(
    ("url", "fair"),
    [
        pytest.param("http://judge/v1", False, id="on the judge's server"),
        pytest.param("http://other/v1", True, id="on another server"),
    ],
)
def test_the_judge_is_none_of_those_it_judges(url: str, fair: bool) -> None:
    """A model of the same name on another server is another model."""
    upstream = {"engine": "openai", "model": "wise", "engine_options": {"base_url": url}}
    config = raw(SQL | upstream, gateway={"shadow": {"path": "x", "judge": JUDGE}})

    if fair:
        assert parse_config(config, "x").gateway.shadow.judge.model == "wise"
    else:
        assert len(faults(config)) == 1


def test_without_a_grading_a_specialist_is_graded_by_feedback() -> None:
    """The default asks for nothing that the operator has not set up."""
    grading = {"specialist": "sql", "method": "judge"}
    section = parse_config(shadow(grading=[grading], judge=JUDGE), "x").gateway.shadow

    assert section.grading_of("sql") == GradingSection(**grading)
    assert section.grading_of("tools").method == "feedback"


def test_nothing_is_compared_by_default() -> None:
    """A stack that says nothing about it compares nothing, and writes nothing down."""
    assert parse_config({"generalist": GENERALIST}, "x").gateway.shadow is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("trusted_proxies", "10.0.0.0/33", id="no network"),
        pytest.param("trusted_proxies", "10.0.0.1/8", id="an address within a network"),
        pytest.param("trusted_proxies", "proxy.example", id="a name"),
        pytest.param("trusted_proxies", "10.0.0.0/0.255.255.255", id="the mask of a host"),
        pytest.param("trusted_proxies", "fe80::1%eth0", id="a scope"),
        pytest.param("trusted_proxies", "10.0.0.0/8 }\nfrontend x", id="lines for HAProxy"),
        pytest.param("allowed_hosts", "example.com:8000", id="a port"),
        pytest.param("allowed_hosts", "https://example.com", id="a URL"),
        pytest.param("allowed_hosts", "Example.com", id="capitals"),
        pytest.param("allowed_hosts", "*", id="everything"),
        pytest.param("host", "0.0.0.0\n", id="more lines"),
    ],
)
def test_addresses_and_names_are_checked(key: str, value: str) -> None:
    """They go into HAProxy's configuration, and a name that never matches would shut the door."""
    given = value if key == "host" else [value]

    assert len(faults(raw(gateway={key: given}))) == 1


def test_the_door_is_told_what_the_section_says() -> None:
    """By the same names, of networks in one form."""
    told = {
        "host": "0.0.0.0",
        "head_timeout_seconds": 3,
        "max_connections_per_client": 0,
        "max_gets_per_client": 9,
        "trusted_proxies": ["10.0.0.0/255.0.0.0", "0::1"],
    }

    door = parse_config(raw(gateway=told), "x").gateway.door

    assert door == DoorSettings("0.0.0.0", 3, 0, 9, ("10.0.0.0/8", "::1/128"))
