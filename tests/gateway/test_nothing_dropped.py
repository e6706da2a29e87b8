"""No field of a request is dropped in silence: each reaches the engine, changes the answer or the
decision, is a label in the log, is named in `x-niche-not-applied`, or is refused by its name."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployments.capability import Capability
from deployments.engine import EngineContext, create_engines
from deployments.spec import ModelSpec
from tests.gateway.stacks import EMBEDDER, GENERALIST, RANKER, SPECIALIST, Gateway, make_gateway
from tests.gateway.wire_fields import Place, fields_of, places, without
from tests.gateway.wire_samples import DIALECTS, Body, Dialect

SAY_NOTHING = {
    "OutputText.annotations": "an answer of ours has none",
    "OutputText.logprobs": "figures about an answer, which no model reads",
    "TextBlock.citations": "an answer of ours has none",
    "TextBlock.parsed_output": "a client's own reading of the text",
    "ThinkingBlock.signature": "proves to its author alone that it wrote this",
    "ClientTool.allowed_callers": "asks for what is done anyway",
    "ResponseTool.allowed_callers": "asks for what is done anyway",
    "PlainForm": "asks for what is done anyway",
    "TextFormat": "asks for what is done anyway",
    "ToolUseBlock.caller": "an answer of ours has none",
}
"""Parts of answers that clients send back, and others that nobody reads; and why."""

TOLD_AS = {
    "RedactedThinkingBlock.data": "redacted_thinking",
    "ResponseStreamOptions.include_obfuscation": "stream_options",
    "StreamOptions.include_obfuscation": "stream_options",
}
"""Fields whose object is told."""

_ANSWERED = ("choices", "content", "data", "error", "input_tokens", "output", "results", "usage")
_NAMES = ("call_id", "id", "item_id")


@dataclass(frozen=True)
class Outcome:
    """What came of a body: nothing of it is the same if a field of the body was heard.

    Attributes:
        status: of HTTP.
        blamed: the place that an error names.
        not_applied: what the header names.
        heard: what reached an engine, the decision, what was answered, and the labels in the log.
    """

    status: int
    blamed: str | None
    not_applied: tuple[str, ...]
    heard: str


def engine(spec: ModelSpec, **more: Any) -> ModelSpec:
    return spec.model_copy(update={"engine_options": {"recorded_requests": 1}, **more})


@pytest.fixture
def gateway() -> Gateway:
    able = {"capabilities": frozenset(Capability)}
    specs = engine(GENERALIST, **able), engine(SPECIALIST)
    made: Any = create_engines({spec.name: spec for spec in specs}, EngineContext(Path("unused")))
    return make_gateway(
        made["big"],
        made["sql-model"],
        generalist=specs[0],
        specialist=specs[1],
        embeddings=[engine(EMBEDDER)],
        rerankers=[engine(RANKER)],
    )


async def outcome(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, path: str, body: Body
) -> Outcome:
    caplog.clear()
    models: Any = [of.engines[name] for name, of in gateway.backends.items()]
    for model in models:
        model.requests.clear()
    response = await gateway.post(body, path)
    reached = [
        (of.model, of.operation, of.stream, json.loads(of.body))
        for model in models
        for of in model.requests
    ]
    [line] = [of.fields for of in caplog.records if of.name == "gateway.access"]
    answers = _events(response.text)
    decided = [line[key] for key in ("domain", "model", "reason", "user", "metadata")]
    blamed = answers[-1]["error"]["param"] if response.status_code >= 400 else None
    named = response.headers.get("x-niche-not-applied", "")
    return Outcome(
        response.status_code,
        blamed,
        tuple(filter(None, named.split(", "))),
        json.dumps([reached, decided, [_without_names(of) for of in answers]], sort_keys=True),
    )


def _events(text: str) -> list[Any]:
    """The answer: an object, or those of a stream."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line[:1] in ("d", "{")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def _without_names(answer: Any) -> Any:
    """What of an answer is neither drawn nor repeats the request."""
    match answer:
        case {"object": _, **rest} | {"type": _, **rest}:
            return {key: _unnamed(rest[key]) for key in _ANSWERED if key in rest}
    return _unnamed(answer)


def _unnamed(value: Any) -> Any:
    match value:
        case dict():
            return {key: _unnamed(of) for key, of in value.items() if key not in _NAMES}
        case list():
            return [_unnamed(of) for of in value]
    return value


def names(blamed: str | None, place: Place) -> bool:
    """Whether an error names a place, or the part of the body that it belongs to."""
    path = place.path
    return blamed is not None and (path == blamed or path.startswith((f"{blamed}.", f"{blamed}[")))


def lists(not_applied: tuple[str, ...], place: Place) -> bool:
    """Whether the header names a field, or the object that it belongs to."""
    told = (place.path, place.steps[-1], TOLD_AS.get(place.name))
    return any(of in told for of in not_applied)


def unheard(whole: Outcome, changed: Outcome, place: Place) -> bool:
    """Whether a body comes to the same without a field, and nobody tells."""
    if place.refused:
        return not (changed.status == 400 and names(changed.blamed, place))
    same = (whole.status, whole.heard) == (changed.status, changed.heard)
    return same and not lists(whole.not_applied, place)


def idle(body: Body, place: Place) -> bool:
    """Whether a field asks for nothing because of another one."""
    none = body.get("tool_choice") == {"type": "none"}
    return place.steps[0] == "tools" and none


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.path)
async def test_every_field_is_heard(gateway: Gateway, caplog, dialect: Dialect) -> None:
    """A new field without a body that sets it fails here too."""
    caplog.set_level(logging.INFO, "gateway.access")
    silent, examined = [], set(SAY_NOTHING)
    for body in dialect.samples:
        whole = await outcome(gateway, caplog, dialect.path, body)
        assert whole.status in (200, 400), whole
        for place in places(body, dialect.kind):
            if whole.status == 400 and not names(whole.blamed, place):
                continue
            examined.add(place.name)
            if whole.status == 400 or place.inner or idle(body, place):
                continue
            changed = await outcome(gateway, caplog, dialect.path, without(body, place))
            assert changed.status in (200, 400, 404), (place.path, changed)
            if unheard(whole, changed, place):
                silent.append(place.path)

    assert silent == []
    assert fields_of(dialect.kind) - examined == set(), "no body sets these"


def test_what_says_nothing_is_known() -> None:
    """Of a field that is gone nothing is left in the list."""
    known = set().union(*(fields_of(dialect.kind) for dialect in DIALECTS))

    assert SAY_NOTHING.keys() <= known
