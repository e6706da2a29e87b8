"""`niche.yaml`: what is taken, and the one clear line for each fault."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import ConfigError, NicheConfig, load_config, parse_config
from lab.specialists.registry import NICHES

ROOT = Path(__file__).parents[2]

GENERALIST = {"name": "big", "model": "tiny", "engine": "fake"}
SQL = {"name": "sql", "model": "tiny", "engine": "fake", "domain": "sql"}


def raw(*specialists: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {"generalist": GENERALIST, "specialists": list(specialists)} | sections


def faults(config: Any) -> list[str]:
    """The lines of the error, each without the file's name, which all begin with."""
    with pytest.raises(ConfigError) as refused:
        parse_config(config, "niche.yaml")
    lines = str(refused.value).split("\n")
    assert all(line.startswith("niche.yaml: ") for line in lines)
    return [line.removeprefix("niche.yaml: ") for line in lines]


def test_the_default_stack_is_valid() -> None:
    """The repository's own file describes a generalist and a specialist for each niche."""
    config = load_config(ROOT / "niche.yaml")

    assert [spec.name for spec in config.models] == ["generalist", *NICHES]
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


def test_a_configuration_does_not_change() -> None:
    """What was validated stays as it was."""
    config = parse_config(raw(), "niche.yaml")

    with pytest.raises(ValueError, match="frozen"):
        config.gateway.port = 1


@pytest.mark.parametrize(
    ("config", "line"),
    [
        pytest.param(
            raw(colour="red"),
            "colour: unknown key (value 'red'); allowed here: "
            "generalist, specialists, router, gateway, "
            "observability",
            id="an unknown section",
        ),
        pytest.param(
            raw(observability={"money": 80}),
            "observability.money: unknown key (value 80); "
            "allowed here: currency, decision_log, tracing",
            id="an unknown key",
        ),
        pytest.param(
            raw(SQL | {"modle": "x"}),
            "specialists.0.modle: unknown key (value 'x'); allowed here: name, model, adapter, "
            "domain, begins, engine, engine_options, system_prompt, resources, replicas, "
            "autoscaling, limits, price",
            id="an unknown key of a specialist",
        ),
        pytest.param(
            raw(gateway={"port": 70000}),
            "gateway.port: Input should be less than or equal to 65535 (value 70000)",
            id="a bad number",
        ),
        pytest.param(
            raw(gateway={"replicas": "two"}),
            "gateway.replicas: Input should be a valid integer, unable to parse string as an "
            "integer (value 'two')",
            id="no number",
        ),
        pytest.param(
            raw(router={"min_confidence": 1.5}),
            "router.min_confidence: Input should be less than or equal to 1 (value 1.5)",
            id="no probability",
        ),
        pytest.param(
            raw(observability={"currency": ""}),
            "observability.currency: String should have at least 1 character (value '')",
            id="no currency",
        ),
        pytest.param(
            raw(SQL | {"engine": "vlm"}),
            "specialists.0.engine: Value error, no engine 'vlm'; allowed: fake, openai, "
            "transformers (value 'vlm')",
            id="an unknown engine",
        ),
        pytest.param({}, "generalist: required, and absent", id="no generalist"),
        pytest.param(
            raw(SQL, SQL),
            "specialists[0].name: 'sql' is taken; names must differ",
            id="a name twice",
        ),
        pytest.param(
            raw(SQL | {"name": "big"}),
            "specialists[0].name: 'big' is taken; names must differ",
            id="the generalist's name",
        ),
        pytest.param(
            raw(SQL | {"name": "auto"}),
            "specialists[0].name: 'auto' is taken; names must differ",
            id="a specialist named auto",
        ),
        pytest.param(
            raw(generalist=GENERALIST | {"name": "auto"}),
            "generalist.name: 'auto' asks for a routed answer; choose another",
            id="a generalist named auto",
        ),
        pytest.param(
            raw(GENERALIST | {"name": "other"}),
            "specialists[0].domain: a specialist ('other') needs a domain",
            id="a specialist without a domain",
        ),
        pytest.param(
            raw(SQL | {"domain": "general"}),
            "specialists[0].domain: 'general' is the generalist's; name a niche",
            id="a specialist for everything",
        ),
        pytest.param(
            raw(generalist=GENERALIST | {"domain": "sql"}),
            "generalist.domain: the generalist has no domain; remove the key",
            id="a generalist with a domain",
        ),
        pytest.param(None, "expected a mapping of sections, got NoneType", id="an empty file"),
        pytest.param([1], "expected a mapping of sections, got list", id="a list"),
        pytest.param("x", "expected a mapping of sections, got str", id="a word"),
    ],
)
def test_a_fault_is_one_line_with_key_and_value(config: Any, line: str) -> None:
    """The error names the key as it is written, the value, and what is allowed."""
    assert faults(config) == [line]


def test_every_fault_has_its_line() -> None:
    """Faults of several sections are told at once."""
    wrong = raw(SQL | {"replicas": 0}, gateway={"port": 0, "colour": 1})

    keys = [line.split(":")[0] for line in faults(wrong)]

    assert sorted(keys) == ["gateway.colour", "gateway.port", "specialists.0.replicas"]


def test_a_missing_key_does_not_repeat_its_section() -> None:
    """What else stands in the section, such as an upstream's options, is not shown."""
    nameless = {"model": "tiny", "engine_options": {"base_url": "http://user:secret@upstream"}}

    assert faults(raw(generalist=nameless)) == ["generalist.name: required, and absent"]


def test_a_missing_file_names_the_option() -> None:
    """The error says how to name another file."""
    with pytest.raises(ConfigError, match=r"^nowhere\.yaml: no such file; name another with --con"):
        load_config(Path("nowhere.yaml"))


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    """What cannot be read is an error of the configuration."""
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
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
