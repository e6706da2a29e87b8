"""A stack follows its files: what differs is applied, once, and what cannot be is said."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.follower import Follower
from cli.made_of import contents, gateway_can_become, pools_made_of, require_applicable
from gateway.config import ConfigError, LaunchError, NicheConfig
from gateway.config_file import load_config, parse_config
from gateway.routing import classifier_made_of

RAW: dict[str, Any] = {
    "generalist": {"name": "big", "model": "m", "engine": "fake"},
    "specialists": [
        {"name": "sql", "domain": "sql", "model": "m", "engine": "fake", "adapter": "a"},
        {"name": "math", "domain": "math", "model": "m", "engine": "fake"},
    ],
    "router": {"artifact": "artifact"},
    "gateway": {"api_keys_file": "keys"},
}


class FakeStack:
    """A stack that notes what it is brought to, and fails if told so."""

    url = "http://127.0.0.1:1"

    def __init__(self, config: NicheConfig) -> None:
        self.config = config
        self.contents = contents(config)
        self.meanwhile: Callable[[], object] = lambda: None
        self.applied: list[NicheConfig] = []
        self.failure: Exception | None = None

    def apply(self, config: NicheConfig, progress: object) -> None:
        del progress
        if self.failure is not None:
            raise self.failure
        self.applied.append(config)
        self.config, self.contents = config, contents(config)
        self.meanwhile()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with the files that it names; the gateway counts as ready."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cli.follower.wait_until_ready", lambda *_: None)
    monkeypatch.setattr("cli.follower.missing_models", lambda _: {})
    for folder, name in (("a", "niche.json"), ("artifact", "artifact.json")):
        Path(folder).mkdir()
        Path(folder, name).write_text("{}")
    path = tmp_path / "niche.yaml"
    write(path, RAW)
    return path


def write(path: Path, raw: object) -> None:
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")


def changed(**keys: object) -> dict[str, Any]:
    return json.loads(json.dumps(RAW)) | keys


@pytest.fixture
def stack(file: Path) -> FakeStack:
    return FakeStack(load_config(file))


@pytest.fixture
def follower(file: Path, stack: FakeStack) -> Follower:
    return Follower(stack, file, lambda: load_config(file))


def looks(follower: Follower, count: int = 2) -> None:
    for _ in range(count):
        follower.look()


def test_nothing_changes_nothing(follower: Follower, stack: FakeStack) -> None:
    """However often it is looked at."""
    looks(follower, 3)
    assert stack.applied == []


def test_a_change_is_applied_when_two_looks_agree(
    file: Path, follower: Follower, stack: FakeStack
) -> None:
    """A file that is being written is left alone."""
    for specialists in (RAW["specialists"][:1], []):
        write(file, changed(specialists=specialists))
        follower.look()
        assert stack.applied == []
    follower.look()
    assert [config.specialists for config in stack.applied] == [()]


def test_what_changed_while_the_stack_started_is_the_first_change(
    file: Path, stack: FakeStack
) -> None:
    """The stack was made of what the file said before."""
    write(file, changed(specialists=[]))
    looks(Follower(stack, file, lambda: load_config(file)))
    assert [config.specialists for config in stack.applied] == [()]


def test_what_changes_during_a_change_comes_next(
    file: Path, follower: Follower, stack: FakeStack
) -> None:
    """It was not read yet."""
    stack.meanwhile = lambda: write(file, changed(specialists=[]))
    write(file, changed(specialists=RAW["specialists"][:1]))
    looks(follower)
    stack.meanwhile = lambda: None
    looks(follower, 3)
    assert [len(config.specialists) for config in stack.applied] == [1, 0]


def test_another_configuration_is_applied_once(
    file: Path, follower: Follower, stack: FakeStack
) -> None:
    """Whatever differs."""
    write(file, changed(specialists=RAW["specialists"][:1]))
    looks(follower, 4)
    assert [[of.name for of in config.specialists] for config in stack.applied] == [["sql"]]


@pytest.mark.parametrize(
    "name", ["a/niche.json", "a/adapter_model.safetensors", "artifact/artifact.json", "keys"]
)
@pytest.mark.usefixtures("file")
def test_other_contents_of_a_named_file_are_applied(
    name: str, follower: Follower, stack: FakeStack
) -> None:
    """An adapter that was trained again, or whose weights came back, a router, and API keys."""
    Path(name).write_text('{"sha256": "other"}')
    looks(follower, 4)
    assert stack.applied == [stack.config]


@pytest.mark.parametrize(
    "text", ["generalist: [", "generalist: {}\n", ""], ids=["no YAML", "incomplete", "empty"]
)
def test_a_faulty_file_is_said_once_and_leaves_the_stack(
    file: Path,
    text: str,
    follower: Follower,
    stack: FakeStack,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The next good one is applied."""
    file.write_text(text)
    looks(follower, 4)
    assert capsys.readouterr().err.count("serves on as before") == 1
    assert stack.applied == []
    write(file, changed(specialists=[]))
    looks(follower)
    assert len(stack.applied) == 1


def test_a_part_that_does_not_start_is_said(
    file: Path, follower: Follower, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """And tried again when the file is touched."""
    stack.failure = LaunchError("pool-m: m did not start: no weights")
    write(file, changed(specialists=[]))
    looks(follower, 4)
    assert capsys.readouterr().err.count("no weights") == 1
    assert stack.config == parse_config(RAW, "x")
    stack.failure = None
    os.utime(file, ns=(1, 1))
    looks(follower)
    assert len(stack.applied) == 1


@pytest.mark.parametrize(
    "keys",
    [
        {"gateway": {"port": 9}},
        {"gateway": {"max_connections_per_client": 9}},
        {"gateway": {"max_gets_per_client": 9}},
        {"gateway": {"trusted_proxies": ["10.0.0.1"]}},
        {"router": {"artifact": "artifact", "deployment": {}}},
    ],
    ids=["port", "connections", "gets", "proxies", "classifier"],
)
def test_what_takes_a_start_is_refused(keys: dict[str, Any]) -> None:
    """By its key."""
    old, new = parse_config(RAW, "x"), parse_config(changed(**keys), "x")
    with pytest.raises(ConfigError, match="next start"):
        require_applicable(old, new)
    require_applicable(old, old)


def test_a_pool_is_made_of_its_models_and_their_adapters(file: Path) -> None:
    """Another adapter, or another setting, makes another pool; other pools stay."""
    config = load_config(file)
    before = pools_made_of(config, contents(config))
    Path("a/niche.json").write_text('{"sha256": "other"}')
    after = pools_made_of(config, contents(config))
    assert {name for name in before if before[name] != after[name]} == {"pool-m"}
    other = parse_config(changed(generalist=RAW["generalist"] | {"model": "n"}), "x")
    found = pools_made_of(other, contents(other))
    assert {name for name in found if found[name] != after[name]} == {"model-big"}


def test_an_adapter_at_no_path_has_no_contents(file: Path) -> None:
    """What is wrong with it is said where it is loaded."""
    sql, math = RAW["specialists"]
    config = parse_config(changed(specialists=[sql | {"adapter": "~nosuchuserx/a"}, math]), "x")

    assert set(contents(config).values()) >= {""}


GATEWAYS_ALONE = [
    {"price": {"prompt_per_million_tokens": 9}},
    {"limits": {"max_ongoing_requests": 9}},
    {"domain": "tools"},
]


@pytest.mark.parametrize("keys", GATEWAYS_ALONE, ids=["price", "limits", "domain"])
@pytest.mark.usefixtures("file")
def test_what_gateways_alone_read_makes_no_other_replicas(keys: dict[str, Any]) -> None:
    """Neither of a pool nor of the gateway, which comes to it while it answers."""
    before = parse_config(RAW, "x")
    sql, math = RAW["specialists"]
    after = parse_config(changed(specialists=[sql | keys, math]), "x")
    found = contents(before)
    assert pools_made_of(before, found) == pools_made_of(after, found)
    assert gateway_can_become(before, after)


def test_a_pool_that_scales_by_load_has_limits_of_its_own() -> None:
    """Serve keeps them there."""
    apart = {"deployment": "own", "autoscaling": {}}
    made = [
        pools_made_of(config, contents(config))
        for limit in (8, 9)
        for config in [
            parse_config(
                changed(
                    generalist=RAW["generalist"]
                    | apart
                    | {"limits": {"max_ongoing_requests": limit}}
                ),
                "x",
            )
        ]
    ]
    assert made[0] != made[1]


@pytest.mark.usefixtures("file")
def test_gateways_take_in_models_and_do_not_forget_them() -> None:
    """A process's metrics would stay; and how many there are is Serve's."""
    both = parse_config(RAW, "x")
    one = parse_config(changed(specialists=RAW["specialists"][:1]), "x")
    moved = [RAW["specialists"][0], RAW["specialists"][1] | {"deployment": "own"}]
    assert gateway_can_become(one, both)
    assert not gateway_can_become(both, one)
    assert not gateway_can_become(both, parse_config(changed(specialists=moved), "x"))
    assert not gateway_can_become(both, parse_config(changed(gateway={"replicas": 3}), "x"))


@pytest.mark.usefixtures("file")
def test_a_classifier_is_made_of_its_artifact_and_not_of_thresholds() -> None:
    """It is not loaded again for another threshold."""
    before = classifier_made_of(parse_config(RAW, "x").router)
    other = changed(router={"artifact": "artifact", "min_confidence": 0.9})
    assert classifier_made_of(parse_config(other, "x").router) == before
    Path("artifact/artifact.json").write_text('{"sha256": "other"}')
    assert classifier_made_of(parse_config(RAW, "x").router) != before
