"""What a server of the openai engine says of itself, and what of it must not be shown."""

import pytest

from deployments.engine import create_engine
from deployments.protocol import BackendError, Unavailable
from tests.deployments.upstream import CONTEXT, WHOLE, Upstream, ask, connected, spec


@pytest.fixture
def upstream():
    return Upstream()


async def failure(engine) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await ask(engine)
    return caught.value


async def test_the_key_is_sent_and_nowhere_shown(upstream, monkeypatch):
    """The key reaches the server; errors and `repr` lack it, even when the server quotes it."""
    monkeypatch.setenv("NICHE_TEST_KEY", "sk-secret")
    upstream.answers({"error": {"message": "bad key sk-secret", "param": "sk-secret"}}, 400)
    async with connected(upstream, api_key_env="NICHE_TEST_KEY") as engine:
        error = await failure(engine)
        assert upstream.headers[0]["authorization"] == "Bearer sk-secret"
        server = vars(engine)["_server"]
        assert "sk-secret" not in repr(engine) + repr(error) + repr(server) + repr(
            vars(server)["_sessions"]
        )
    assert error.detail == "bad key ***"


async def test_a_key_may_end_with_a_line_break(upstream, monkeypatch):
    """As one in a secret of Kubernetes that `echo` made."""
    monkeypatch.setenv("NICHE_TEST_KEY", "sk-secret\n")
    upstream.streams(*WHOLE)
    async with connected(upstream, api_key_env="NICHE_TEST_KEY") as engine:
        await ask(engine)
        await engine.health("remote")
    assert {headers["authorization"] for headers in upstream.headers} == {"Bearer sk-secret"}


@pytest.mark.parametrize("text", ["\n", "sk-a\nsk-b", "sk-a…"], ids=["no", "two", "a quoted"])
def test_what_is_no_key_makes_no_engine(text, monkeypatch):
    """The error names the option and the variable, and shows nothing of the key."""
    monkeypatch.setenv("NICHE_TEST_KEY", text)
    options = {"base_url": "http://h/v1", "api_key_env": "NICHE_TEST_KEY"}
    with pytest.raises(
        ValueError, match=r"engine_options\.api_key_env: .*NICHE_TEST_KEY"
    ) as caught:
        create_engine([spec(**options)], CONTEXT)
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "Authorization: Bearer s3cret",
        "headers={'authorization': 's3cret', 'x-api-key': 's3cret'}",
        "Incorrect API key provided: sk-s3cret",
        "POST http://me:s3cret@10.0.0.1:8000/v1 failed",
        "Basic s3cret",
    ],
)
async def test_what_looks_like_a_secret_is_not_logged(upstream, words):
    """A proxy may quote the keys of its own servers; the rest of its words stays."""
    upstream.answers({"error": {"message": words}}, 500)
    async with connected(upstream) as engine:
        error = await failure(engine)
    assert "s3cret" not in error.reason
    assert "***" in error.reason


async def test_the_prompt_in_an_error_is_not_logged(upstream):
    """FastAPI quotes the input in each fault."""
    fault = {"loc": ["body", "messages"], "msg": "Field required", "input": "my secret plan"}
    upstream.answers({"detail": [fault]}, 422)
    async with connected(upstream) as engine:
        assert (await failure(engine)).detail == "Field required"


async def test_the_key_is_not_shown_where_the_words_are_cut(upstream, monkeypatch):
    """Half a key is too much of it."""
    monkeypatch.setenv("NICHE_TEST_KEY", "sk-secret")
    upstream.answers({"error": {"message": "x" * 295 + "sk-secret"}}, 400)
    async with connected(upstream, api_key_env="NICHE_TEST_KEY") as engine:
        assert "sk" not in (await failure(engine)).detail


async def test_the_key_is_not_shown_by_a_failed_connection(upstream, monkeypatch):
    """Nor by what caused the error: aiohttp keeps a request's headers in some of its own."""
    monkeypatch.setenv("NICHE_TEST_KEY", "sk-secret")
    upstream.sends(b"SSH-2.0\r\n\r\n", closes=True)
    async with connected(upstream, api_key_env="NICHE_TEST_KEY") as engine:
        error = await failure(engine)
    assert "sk-secret" not in repr(error) + repr(error.__cause__)
    assert error.__suppress_context__


async def test_the_key_is_not_shown_by_an_error_within_the_stream(upstream, monkeypatch):
    """A server that quotes the key after its headers is heard without it too."""
    monkeypatch.setenv("NICHE_TEST_KEY", "sk-secret")
    upstream.streams({"error": {"message": "bad key sk-secret"}})
    async with connected(upstream, api_key_env="NICHE_TEST_KEY") as engine:
        error = await failure(engine)
    assert isinstance(error, Unavailable)
    assert "bad key ***" in error.reason
