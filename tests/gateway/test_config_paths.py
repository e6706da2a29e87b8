"""Relative paths are relative to the configuration's file."""

from pathlib import Path

import pytest
import yaml

from gateway.config import ConfigError
from gateway.config_file import load_config, load_for_check

STACK = {
    "generalist": {"name": "big", "model": "weights.gguf"},
    "specialists": [
        {"name": "own", "domain": "own", "model": "org/name:file.gguf", "adapter": "mine"},
        {"name": "sql", "domain": "sql", "model": "smollm2-135m-instruct", "adapter": "sql"},
    ],
    "router": {"artifact": "router"},
    "gateway": {
        "api_keys_file": "keys",
        "adapters_dir": "/adapters",
        "shadow": {"path": "evidence.db"},
        "response_store": {"path": "responses.db"},
    },
    "observability": {"decision_log": {"path": "decisions.jsonl"}},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "weights.gguf").touch()
    path = tmp_path / "niche.yaml"
    path.write_text(yaml.safe_dump(STACK), encoding="utf-8")
    return path


def test_paths_are_those_beside_the_file(file: Path) -> None:
    """Wherever the command runs; names and absolute paths stay."""
    config, folder = load_config(file), file.parent

    assert config.generalist.model == str(folder / "weights.gguf")
    assert [spec.model for spec in config.specialists] == [
        "org/name:file.gguf",
        "smollm2-135m-instruct",
    ]
    assert [spec.adapter for spec in config.specialists] == [str(folder / "mine"), "sql"]
    assert config.router.artifact == str(folder / "router")
    edge, log = config.gateway, config.observability.decision_log
    assert edge.shadow is not None
    assert edge.response_store is not None
    assert log is not None
    assert edge.api_keys_file == str(folder / "keys")
    assert edge.adapters_dir == "/adapters"
    assert edge.shadow.path == str(folder / "evidence.db")
    assert edge.response_store.path == str(folder / "responses.db")
    assert log.path == str(folder / "decisions.jsonl")


def test_in_the_files_own_folder_they_stay_as_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They mean the same there."""
    monkeypatch.chdir(file.parent)

    assert load_config(Path("niche.yaml")).gateway.api_keys_file == "keys"


@pytest.mark.parametrize("within", [True, False], ids=["its own folder", "another folder"])
def test_the_home_directory_is_that_of_who_starts_the_stack(
    file: Path, monkeypatch: pytest.MonkeyPatch, within: bool
) -> None:
    """In whichever folder."""
    home = file.parent / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(file.parent if within else "/")
    stack = STACK | {"router": {"artifact": "~/router"}, "gateway": {"api_keys_file": "~/keys"}}
    file.write_text(yaml.safe_dump(stack), encoding="utf-8")

    config = load_config(file)

    assert config.gateway.api_keys_file == str(home / "keys")
    assert config.router.artifact == str(home / "router")


@pytest.mark.parametrize("odd", ["~nobody-is-called-so/x.gguf", "a" * 300], ids=["home", "long"])
def test_what_can_be_no_path_is_no_fault_here(file: Path, odd: str) -> None:
    """Whoever loads it says what is wrong with it, and where."""
    specialist = STACK["specialists"][1] | {"model": odd, "adapter": odd}
    stack = STACK | {"specialists": [specialist], "gateway": {"api_keys_file": odd}}
    file.write_text(yaml.safe_dump(stack), encoding="utf-8")

    (spec,) = load_config(file).specialists

    assert (spec.model, Path(spec.adapter or "").name) == (odd, Path(odd).name)


@pytest.mark.parametrize(
    ("gateway", "log", "named"),
    [
        pytest.param(
            {"shadow": {"path": "x.db"}, "response_store": {"path": "./x.db"}},
            None,
            ["gateway.response_store.path"],
            id="both stores",
        ),
        pytest.param(
            {"api_keys_file": "keys", "shadow": {"path": "link"}},
            "more/../keys",
            ["gateway.shadow.path", "observability.decision_log.path"],
            id="the keys",
        ),
        pytest.param(
            {"api_keys_file": "niche.yaml"},
            "./niche.yaml",
            ["gateway.api_keys_file", "observability.decision_log.path"],
            id="the configuration",
        ),
    ],
)
@pytest.mark.parametrize("within", [True, False], ids=["its own folder", "another folder"])
def test_a_file_has_one_purpose(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    gateway: dict[str, object],
    log: str | None,
    named: list[str],
    within: bool,
) -> None:
    """However its path is written: each key that names it once more is a fault."""
    (file.parent / "link").symlink_to("keys")
    monkeypatch.chdir(file.parent if within else "/")
    watched = {"decision_log": log and {"path": log}}
    file.write_text(yaml.safe_dump(STACK | {"gateway": gateway, "observability": watched}))

    _, lines = load_for_check(file)
    with pytest.raises(ConfigError) as raised:
        load_config(file)

    assert [line.split(": ")[1] for line in lines] == named
    assert str(raised.value).splitlines() == lines


def test_stores_that_keep_nothing_share_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a memory of its own."""
    monkeypatch.chdir(file.parent)
    stores = {key: {"path": ":memory:"} for key in ("shadow", "response_store")}
    file.write_text(yaml.safe_dump(STACK | {"gateway": stores}), encoding="utf-8")

    assert load_config(file).gateway.shadow is not None
