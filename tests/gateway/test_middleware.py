"""`gateway.middleware`: the access log and the counters."""

import json
import logging

import pytest

from deployments.log import JsonFormatter
from deployments.protocol import InvalidPrompt, PromptTooLong, Unavailable
from gateway.scoring import ScoringFailed
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, make_gateway


class _NoScores:
    """A classifier that is not there."""

    async def score(self, query):
        raise ScoringFailed("it is gone")

    async def health(self):
        """Well, it says."""


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [json.loads(JsonFormatter().format(record)) for record in caplog.records]


async def test_one_line_per_request(lines):
    """A request leaves one line of JSON with what is known of it."""
    body = CHAT | {"user": "u-7", "metadata": {"team": "blue"}}
    gateway = make_gateway()
    await gateway.post(body, **{"x-client-request-id": "abc"})

    [line] = [line for line in lines() if line["logger"] == "gateway.access"]
    assert {key: line[key] for key in line if key not in {"time", "level", "logger"}} == {
        "message": "request",
        "request_id": gateway.ids["abc"],
        "client_request_id": "abc",
        "trace_id": None,
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "error": None,
        "domain": "sql",
        "model": "sql-model",
        "reason": "routed",
        "latency_seconds": 0.0,
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "user": "u-7",
        "metadata": {"team": "blue"},
    }


@pytest.mark.parametrize("fault", [None, RuntimeError("broken"), Unavailable("sql-model", "gone")])
async def test_no_prompt_in_the_log(lines, fault):
    """What the client asked is in no line, whatever happens."""
    gateway = make_gateway(sql=FakeBackend("sql-model", refusal=fault))

    await gateway.post(CHAT)

    assert "SELECT" not in json.dumps(lines())


@pytest.mark.parametrize("kind", [InvalidPrompt, PromptTooLong])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_what_an_upstream_says_goes_to_the_log_alone(lines, kind, stream):
    """The client has our own words, and the id under which the log has the upstream's."""
    refusal = kind("messages", "refused", "no route to 10.1.2.3")
    gateway = make_gateway(big=FakeBackend("big", refusal=refusal))

    body = CHAT | {"model": "big", "stream": stream}
    response = await gateway.post(body)

    assert response.status_code == 400
    assert "10.1.2.3" not in response.text + str(response.headers)
    [line] = [line for line in lines() if "10.1.2.3" in json.dumps(line)]
    assert (line["request_id"], line["model"]) == (response.headers["x-request-id"], "big")


async def test_tracebacks_go_to_the_log_alone(lines):
    """An unexpected failure is in the log with its traceback and the request id."""
    gateway = make_gateway(sql=FakeBackend("sql-model", refusal=RuntimeError("broken")))

    response = await gateway.post(CHAT)

    [line] = [line for line in lines() if "traceback" in line]
    assert line["request_id"] == response.headers["x-request-id"]
    assert "RuntimeError: broken" in line["traceback"]
    assert "Traceback" not in response.text


async def test_every_line_about_a_request_names_it(caplog):
    """A line that is written deep inside, where nobody knows the request, has its id too."""
    caplog.handler.setFormatter(JsonFormatter())
    gateway = make_gateway(scorer=_NoScores())

    response = await gateway.post(CHAT)

    [line] = [json.loads(line) for line in caplog.text.splitlines() if "gateway.decider" in line]
    assert line["request_id"] == response.headers["x-request-id"]


async def test_a_broken_stream_counts_as_its_failure(lines):
    """A stream that failed after its headers counts by the failure's status, not by 200."""
    failure = Unavailable("sql-model", "died")
    gateway = make_gateway(sql=FakeBackend("sql-model", failure=failure))

    await gateway.post(CHAT | {"stream": True})

    labels = {"domain": "sql", "model": "sql-model", "reason": "routed"}
    assert gateway.sample("niche_requests_total", **labels, status_class="5xx") == 1
