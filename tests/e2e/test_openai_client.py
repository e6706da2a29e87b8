"""The official client against the really running stack."""

import json
import time
from pathlib import Path

import httpx
import openai
import pytest
from openai import OpenAI

from tests.e2e.conftest import Stack, eventually

pytestmark = pytest.mark.serve

SQL = "Columns: name, country, year of birth\nQuestion: Which singers are from France?"
TOOLS = "play the newest album by Miles Davis on Spotify"
GENERAL = "Why is the sky blue?"


def ask(client: OpenAI, text: str, model: str = "auto", **more: object):
    return client.chat.completions.with_raw_response.create(
        model=model,
        messages=[{"role": "user", "content": text}],
        temperature=0,
        **({"max_tokens": 24} | more),
    )


def test_an_answer_says_who_gave_it_and_why(client: OpenAI) -> None:
    """A unary answer's headers and body agree on the model, the domain and the reason."""
    raw = ask(client, SQL, max_tokens=64)
    answer = raw.parse()

    assert raw.headers["x-niche-domain"] == "sql"
    assert raw.headers["x-niche-model"] == answer.model == "sql"
    assert raw.headers["x-niche-reason"] == "routed"
    assert 0.5 < float(raw.headers["x-niche-confidence"]) <= 1
    assert answer.choices[0].message.content.startswith("SELECT")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize(
    ("text", "model"), [(SQL, "sql"), (TOOLS, "tools"), (GENERAL, "generalist")]
)
def test_the_model_named_is_the_model_that_worked(
    stack: Stack, client: OpenAI, text: str, model: str
) -> None:
    """The request is in the record of the engine that the headers name, and in no other's."""
    request_id = ask(client, text).headers["x-request-id"]

    workers = [
        name
        for name in ("generalist", "sql", "tools")
        if any(seen.startswith(request_id) for seen in stack.load(name)["recent_tokens"])
    ]

    assert workers == [model]


def test_more_tokens_than_the_context_has_are_no_reason_to_refuse(client: OpenAI) -> None:
    """The answer ends where the model ends it, or at the context's end."""
    answer = ask(client, SQL, max_tokens=100_000).parse()

    assert answer.model == "sql"
    assert answer.choices[0].finish_reason == "stop"


def test_a_named_model_is_not_second_guessed(client: OpenAI) -> None:
    """A request that names the generalist goes there, though a specialist's niche it is."""
    raw = ask(client, SQL, model="generalist")

    assert raw.headers["x-niche-reason"] == "requested"
    assert raw.parse().model == "generalist"


def test_a_stream_is_the_unary_answer_in_pieces(client: OpenAI) -> None:
    """A stream adds up to the unary answer, names its model first and its usage last.

    With a seed, since the prompt is then read anew, and its tokens are not cached ones.
    """
    unary = ask(client, GENERAL, seed=1).parse()
    chunks = list(
        client.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": GENERAL}],
            temperature=0,
            seed=1,
            max_tokens=24,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == unary.choices[0].message.content
    assert len(chunks) > 5
    assert chunks[0].model == "generalist"
    assert chunks[0].model_extra["niche"]["reason"] == "general"
    assert chunks[-1].usage == unary.usage
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"


def test_two_answers_with_logprobs_and_a_seed(client: OpenAI) -> None:
    """Several answers to one prompt, each with its tokens' log-probabilities, repeat by seed."""
    wanted = {"n": 2, "logprobs": True, "top_logprobs": 2, "max_tokens": 6, "seed": 11}
    first, second = (
        client.chat.completions.create(
            model="generalist",
            messages=[{"role": "user", "content": "Name a colour."}],
            temperature=1.0,
            **wanted,
        )
        for _ in range(2)
    )

    texts = [choice.message.content for choice in first.choices]
    assert [choice.index for choice in first.choices] == [0, 1]
    assert texts == [choice.message.content for choice in second.choices]
    for choice in first.choices:
        assert all(len(token.top_logprobs) == 2 for token in choice.logprobs.content)


def test_a_stop_string_ends_the_answer(client: OpenAI) -> None:
    """The answer ends before the stop string."""
    whole = ask(client, GENERAL).parse().choices[0].message.content
    stop = whole.split()[3]

    answer = ask(client, GENERAL, stop=stop).parse().choices[0]

    assert answer.message.content == whole[: whole.index(stop)]
    assert answer.finish_reason == "stop"


def test_a_bare_prompt_is_completed(client: OpenAI) -> None:
    """The older completions endpoint continues a text."""
    answer = client.completions.create(
        model="generalist", prompt="One, two, three,", max_tokens=5, temperature=0
    )

    assert answer.choices[0].text
    assert answer.usage.completion_tokens == 5


def test_the_models_are_listed(client: OpenAI) -> None:
    """The list has the router and every model, and each can be asked for by its id."""
    listed = [model.id for model in client.models.list()]

    assert listed == [
        *("auto", "generalist", "sql", "tools", "support", "biomed", "all-minilm-l6-v2")
    ]
    assert client.models.retrieve("sql").id == "sql"


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    """A model that does not exist is a 404 with OpenAI's code."""
    with pytest.raises(openai.NotFoundError) as missing:
        ask(client, GENERAL, model="gpt-9")

    assert missing.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("more", "parameter"),
    [
        pytest.param({"max_tokens": -1}, "max_tokens", id="out of range"),
        pytest.param({"top_p": "much"}, "top_p", id="of the wrong type"),
        pytest.param(
            {"extra_body": {"web_search_options": {}}}, "web_search_options", id="unserved"
        ),
        pytest.param({"extra_body": {"temprature": 1}}, "temprature", id="misspelt"),
    ],
)
def test_a_bad_parameter_is_named(client: OpenAI, more: dict[str, object], parameter: str) -> None:
    """A parameter that cannot be honoured is a 400 that names it, never ignored."""
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, GENERAL, **more)

    assert refused.value.param == parameter


def test_a_malformed_body_is_refused_in_openais_words(stack: Stack) -> None:
    """Broken JSON gets OpenAI's error body."""
    answer = httpx.post(
        f"{stack.url}/v1/chat/completions",
        content=b'{"model": "auto", ',
        headers={"content-type": "application/json"},
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_the_edges_answer(stack: Stack) -> None:
    """The page, liveness, readiness, metrics and the description of the API are there."""
    for path in ("/", "/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert httpx.get(f"{stack.url}{path}").status_code == 200, path


@pytest.mark.parametrize("header", ["x-request-id", "x-client-request-id"])
def test_ids_are_the_gateways(stack: Stack, header: str) -> None:
    """Behind HAProxy and Serve too there is one of each, however a client calls its request."""
    answer = httpx.get(f"{stack.url}/v1/models", headers={header: "theirs"})

    [request_id] = answer.headers.get_list("x-request-id")
    assert request_id != "theirs"
    assert answer.headers.get_list("x-client-request-id") == ["theirs"]


def test_metrics_add_up_over_the_gateway_replicas(stack: Stack, client: OpenAI) -> None:
    """Whichever replica shows the metrics, they count every replica's requests."""

    def served() -> float:
        time.sleep(1.5)  # they are collected once a second
        lines = httpx.get(f"{stack.url}/metrics").text.splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.startswith("niche_requests_total{")
        )

    before = served()
    for _ in range(6):
        ask(client, TOOLS, max_tokens=1)

    assert {served() for _ in range(3)} == {before + 6}


def test_a_decision_is_in_the_log(client: OpenAI, decision_log: Path) -> None:
    """The line of a request is there soon after its answer."""
    request_id = ask(client, SQL, max_tokens=1).headers["x-request-id"]

    def logged() -> bool:
        lines = map(json.loads, decision_log.read_text(encoding="utf-8").splitlines())
        return [line["request_id"] for line in lines].count(request_id) == 1

    assert eventually(logged, 5)
