"""The robustness prompts against an endpoint: the command, what it refuses, and its figures."""

import gzip
import json

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from deployments.protocol import Message
from lab.benchmarks.choices import Choice
from lab.benchmarks.robustness import RobustnessPrompt, read_prompts
from lab.benchmarks.robustness_endpoint import ANSWERS, REPORT, TABLE, figures, main
from router.types import GENERAL, Query
from tests.cli.servers import served

NICHES = ("biomed", "math", "sql", "support", "tools")


class Perfect:
    """A router that knows every prompt: specialists have names of their own."""

    def __init__(self, prompts):
        self.right = {prompt.query.messages[0].content: prompt.domain for prompt in prompts}
        self.requests = 0

    async def answer(self, request):
        self.requests += 1
        body = await request.json()
        domain = self.right[body["messages"][0]["content"]]
        return JSONResponse({"model": "large" if domain == GENERAL else f"{domain}-small"})

    @property
    def app(self):
        return app_of(self.answer)


@pytest.fixture
def folder(tmp_path):
    """Two prompts a niche, a near miss, a general one and one that was made."""
    path = tmp_path / "prompts"
    path.mkdir()
    natural = [line(f"{niche} {at}", niche, "natural") for niche in NICHES for at in range(2)]
    (path / "natural.jsonl").write_text("\n".join(natural))
    (path / "near-misses.jsonl").write_text(line("about sql", GENERAL, "near miss"))
    (path / "general.jsonl").write_text(line("hello", GENERAL, "general"))
    (path / "made.jsonl.gz").write_bytes(gzip.compress(line("sqll", "sql", "typos").encode()))
    return path


def line(text, domain, kind):
    messages = [{"role": "user", "content": text}]
    return json.dumps({"id": text, "messages": messages, "domain": domain, "kind": kind})


def app_of(answer):
    return Starlette(routes=[Route("/v1/chat/completions", answer, methods=["POST"])])


def run(url, out, *more):
    return main(["--url", url, "--field", "model", "--out", str(out), *more])


def test_a_perfect_router_is_measured_as_one(tmp_path, folder, capsys):
    """All of a niche is recalled and nothing else is routed; a second run asks nothing."""
    perfect = Perfect(read_prompts(folder))
    options = ["--prompts", str(folder)]
    options += [word for niche in NICHES for word in ("--map", f"{niche}-small={niche}")]
    out = tmp_path / "out"
    with served(perfect.app) as url:
        assert run(f"{url}/v1", out, *options) == 0

    assert run(f"{url}/v1", out, *options) == 0

    assert perfect.requests == 13
    [found] = json.loads((out / REPORT).read_text())["benchmarks"]
    values = {figure["name"]: figure["value"] for figure in found["figures"]}
    assert {value for name, value in values.items() if name.endswith("recall")} == {1.0}
    assert {value for name, value in values.items() if name.endswith("routed")} == {0.0}
    assert "natural sql: recall" in capsys.readouterr().out
    assert "natural sql: recall" in (out / TABLE).read_text()


def test_a_server_that_refuses_everything_is_an_error(tmp_path, capsys):
    """It names the status; there is no table."""

    async def refuse(_):
        return PlainTextResponse("bring a key", 401)

    with served(app_of(refuse)) as url:
        assert run(f"{url}/v1", tmp_path) == 2

    assert "HTTP 401 bring a key" in capsys.readouterr().err
    assert (tmp_path / ANSWERS).exists()
    assert not (tmp_path / REPORT).exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--url", "http://192.0.2.1/v1"), "--allow-remote"),
        (("--url", "http://router.example/v1"), "--allow-remote"),
        (("--url", "127.0.0.1:8000"), "127.0.0.1:8000"),
        (("--map", "small"), "--map small"),
        (("--map", "small=law"), "--map small=law"),
        (("--max-tokens", "0"), "--max-tokens 0"),
        (("--concurrency", "0"), "--concurrency 0"),
        (("--api-key-env", "NO_SUCH_KEY"), "NO_SUCH_KEY"),
    ],
    ids=[
        "address elsewhere",
        "name elsewhere",
        "no URL",
        "map without domain",
        "map to an unknown domain",
        "no tokens",
        "no concurrency",
        "no key",
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_sent(tmp_path, capsys, words, named):
    """The option is named."""
    assert run("http://127.0.0.1:1/v1", tmp_path, *words) == 2

    assert named in capsys.readouterr().err
    assert not (tmp_path / ANSWERS).exists()


def prompt(name, domain, kind):
    return RobustnessPrompt(name, Query((Message("user", name),)), domain, kind)


PROMPTS = [
    *(prompt(niche, niche, "natural") for niche in NICHES),
    prompt("a", "sql", "typos"),
    prompt("b", GENERAL, "near miss"),
]
NAMES = {niche: niche for niche in (*NICHES, GENERAL)}


def test_a_prompt_without_an_answer_counts_against_the_router():
    """It is not recalled where it belongs to a niche, and counts as routed where it does not."""
    found = dict.fromkeys(NICHES, Choice("sql")) | {
        "a": Choice(error="HTTP 503", details="full"),
        "b": Choice(error="HTTP 503", details="full"),
    }

    result = figures(PROMPTS, found, NAMES)

    values = {figure.name: figure.value for figure in result.figures}
    assert (values["typos: recall"], values["near miss: routed"]) == (0.0, 1.0)
    assert any("HTTP 503 (2: full)" in note for note in result.notes)


def test_names_count_as_they_are_mapped_and_others_as_general():
    """The table shows every name with what it counts as."""
    found = dict.fromkeys(NICHES, Choice("large")) | {"a": Choice("coder"), "b": Choice("sql")}

    result = figures(PROMPTS, found, {**NAMES, "coder": "sql"})

    values = {figure.name: figure.value for figure in result.figures}
    assert (values["typos: recall"], values["near miss: routed"]) == (1.0, 1.0)
    [table] = result.tables
    assert {row[0]: row[1].split()[0] for row in table.rows} == {
        "large": GENERAL,
        "coder": "sql",
        "sql": "sql",
    }
