"""`niche init`: the default stack, or a configuration of the models that servers say they have."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cli.main import main
from gateway.config import NicheConfig
from gateway.config_file import load_config, parse_config
from tests.cli.commands import refused
from tests.cli.servers import served


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)


@contextmanager
def upstream(*models: str, key: str | None = None) -> Iterator[str]:
    """A server that lists these models; its address without a path."""

    async def listed(request: Request) -> Response:
        if key is not None and request.headers.get("authorization") != f"Bearer {key}":
            return PlainTextResponse("no", 401)
        return JSONResponse({"object": "list", "data": [{"id": model} for model in models]})

    with served(Starlette(routes=[Route("/v1/models", listed)])) as url:
        yield url


def test_the_default_stack_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is shipped, with its comments."""
    assert main(["init"]) == 0

    shipped = Path(__file__).parents[2] / "niche.yaml"
    assert Path("niche.yaml").read_text() == shipped.read_text()
    assert "niche serve" in capsys.readouterr().out


def test_each_servers_models_are_in_the_stack(capsys: pytest.CaptureFixture[str]) -> None:
    """The largest by its name is the generalist; each specialist has its server and a domain."""
    with upstream("acme/Law-7B") as small, upstream("big/llama-70b", "big/sql-1.5b") as big:
        assert main(["init", "--upstream", small, "--upstream", f"{big}/v1/"]) == 0

    config = load_config(Path("niche.yaml"))
    assert [(spec.name, spec.model, spec.domain) for spec in config.models] == [
        ("llama-70b", "big/llama-70b", None),
        ("law-7b", "acme/Law-7B", "law"),
        ("sql-1.5b", "big/sql-1.5b", "sql"),
    ]
    assert [spec.engine_options["base_url"] for spec in config.models] == [
        *(f"{big}/v1", f"{small}/v1", f"{big}/v1")
    ]
    assert {spec.engine for spec in config.models} == {"openai"}
    assert f"niche train --data prompts.jsonl --out {config.router.artifact}" in (
        capsys.readouterr().out
    )


def test_without_sizes_the_first_model_is_the_generalist() -> None:
    """A name without a size tells nothing."""
    with upstream("general-purpose", "law", "sql") as url:
        main(["init", "--upstream", url])

    assert load_config(Path("niche.yaml")).generalist.name == "general-purpose"


@pytest.mark.parametrize("wanted", ["acme/law", "law"])
def test_the_generalist_can_be_named(wanted: str) -> None:
    """By the server's name for it, or by the one in the stack."""
    with upstream("acme/big-70b", "acme/law") as url:
        main(["init", "--upstream", url, "--generalist", wanted])

    assert load_config(Path("niche.yaml")).generalist.model == "acme/law"


def test_names_are_unique_and_free() -> None:
    """`auto` asks for a routed answer, and two servers may have models of one name."""
    with upstream("auto", "Law Model!", "other/law-model") as url:
        main(["init", "--upstream", url])

    names = [spec.name for spec in load_config(Path("niche.yaml")).models]
    assert names == ["auto-2", "law-model", "law-model-2"]


@pytest.mark.parametrize("end", ["", "\n"], ids=["alone", "with a line break"])
def test_a_key_is_named_and_used(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """The file holds the variable, and not the key."""
    monkeypatch.setenv("ACME_KEY", f"very-secret{end}")
    with upstream("big", "law", key="very-secret") as url:
        assert main(["init", "--upstream", url, "--api-key-env", "ACME_KEY"]) == 0

    text = Path("niche.yaml").read_text()
    assert "very-secret" not in text
    for spec in load_config(Path("niche.yaml")).models:
        assert spec.engine_options["api_key_env"] == "ACME_KEY"


def test_two_keys_are_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the variable, and shows neither."""
    monkeypatch.setenv("ACME_KEY", "very-secret\nvery-own")

    error = refused(capsys, "init", "--upstream", "http://127.0.0.1:9", "--api-key-env", "ACME_KEY")

    assert "ACME_KEY" in error
    assert "very" not in error


def test_what_is_commented_out_is_valid_too() -> None:
    """States, prices and the comparison, as the comments show them."""
    with upstream("big-70b", "law-7b") as url:
        main(["init", "--upstream", url])

    shown = uncommented(Path("niche.yaml").read_text())
    config: NicheConfig = parse_config(yaml.safe_load(shown), "shown")
    assert config.gateway.shadow is not None
    assert all(spec.price.completion_per_million_tokens for spec in config.models)


def uncommented(text: str) -> str:
    """The text with each commented key in force; prose ends with a full stop, a colon or a `;`."""
    lines = []
    for line in text.splitlines():
        indent, mark, rest = line.partition("# ")
        is_key = mark and not indent.strip() and rest.split(":")[0].strip().isidentifier()
        lines.append(f"{indent}{rest}" if is_key else line)
    return "\n".join(lines)


def test_a_file_is_not_overwritten_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither by the default stack nor by another."""
    Path("niche.yaml").write_text("mine")

    error = refused(capsys, "init")

    assert "niche.yaml" in error
    assert "--force" in error
    assert Path("niche.yaml").read_text() == "mine"
    assert main(["init", "--force"]) == 0
    assert load_config(Path("niche.yaml")).specialists


def test_a_server_that_does_not_answer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is written."""
    error = refused(capsys, "init", "--upstream", "http://127.0.0.1:1/v1")

    assert "http://127.0.0.1:1/v1/models" in error
    assert not Path("niche.yaml").exists()


@pytest.mark.parametrize(
    ("path", "models", "options", "named"),
    [
        pytest.param("/v2", ["big"], [], "404", id="another address"),
        pytest.param("", [], [], "/v1/models", id="no models"),
        pytest.param("", ["big"], ["--generalist", "small"], "big", id="another generalist"),
        pytest.param("", ["big"], ["--api-key-env", "NO_SUCH"], "NO_SUCH", id="no key"),
    ],
)
def test_what_cannot_be_used_is_named(
    capsys: pytest.CaptureFixture[str],
    path: str,
    models: list[str],
    options: list[str],
    named: str,
) -> None:
    """The part that is wrong, in a line."""
    with upstream(*models) as url:
        error = refused(capsys, "init", "--upstream", f"{url}{path}", *options)

    assert named in error
    assert "\n" not in error
    assert not Path("niche.yaml").exists()


def test_a_key_that_is_wanted_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The option that gives it."""
    with upstream("big", key="secret") as url:
        assert "--api-key-env" in refused(capsys, "init", "--upstream", url)


@pytest.mark.parametrize("option", ["--generalist", "--api-key-env"])
def test_options_of_servers_need_one(capsys: pytest.CaptureFixture[str], option: str) -> None:
    """The default stack has no use for them."""
    error = refused(capsys, "init", option, "x")

    assert option in error
    assert "--upstream" in error
