"""The generalist reads the bare answers of specialists with words around them, and nobody else
does: through the whole edge, over models that note what they are asked."""

import json

import pytest

from deployments.capability import Capability
from deployments.protocol import Unavailable
from gateway.scoring import ScoringFailed
from router.bare_answers import introduced
from router.classifier import text_of
from router.types import Query
from tests.fakes import FakeBackend, FakeClassifier, NotingBackend
from tests.gateway.stacks import GENERALIST, SPECIALIST, make_gateway

QUERY = 'SELECT "name" FROM singers'
ASKED = {"role": "user", "content": "which singers? SELECT"}
ANSWERED = {"role": "assistant", "content": QUERY}
THANKS = {"role": "user", "content": "thank you"}
HISTORY = [ASKED, ANSWERED, THANKS]
COLOURS = [
    {"role": "user", "content": "three colours in JSON"},
    {"role": "assistant", "content": '["red", "blue", "green"]'},
]
CHAT = "/v1/chat/completions"


class OfTheLastMessage(FakeClassifier):
    """As the router does, it decides by what the user said last."""

    def scores(self, queries):
        return super().scores([Query(text=text_of(query) or "nothing") for query in queries])


def stack(big=NotingBackend, **settings):
    marks = OfTheLastMessage({"SELECT": "sql"})
    return make_gateway(big("big"), NotingBackend("sql-model"), classifier=marks, **settings)


def chat(*messages, **fields):
    return {"model": "auto", "messages": list(messages), **fields}


async def read(gateway, body, path=CHAT):
    """What the model read, and what the header says of it."""
    response = await gateway.post(body, path)
    assert response.status_code == 200, response.text
    [asked] = gateway.big.requests + gateway.sql.requests
    return json.loads(asked.body)["messages"], response.headers.get("x-niche-rewritten")


@pytest.mark.parametrize("stream", [False, True])
async def test_the_generalist_reads_words_around_a_specialists_answer(stream):
    """The header has the place; every other message is the client's own."""
    rules = {"role": "system", "content": "Be brief."}

    messages, rewritten = await read(stack(), chat(rules, *HISTORY, stream=stream))

    assert messages == [rules, ASKED, ANSWERED | {"content": introduced(QUERY, 2)}, THANKS]
    assert rewritten == "messages[2]"


async def test_each_answer_of_a_specialist_is_introduced():
    """Answers of the generalist between them are left as they are, bare or not."""
    messages, rewritten = await read(stack(), chat(ASKED, ANSWERED, *COLOURS, *HISTORY))

    assert [turn["content"] for turn in messages[1::2]] == [
        introduced(QUERY, 1),
        COLOURS[1]["content"],
        introduced(QUERY, 5),
    ]
    assert rewritten == "messages[1], messages[5]"


UNCHANGED = {
    "the specialist that wrote it": chat(ASKED, ANSWERED, ASKED),
    "a model by name": chat(*HISTORY, model="big"),
    "an answer in a form": chat(*HISTORY, response_format={"type": "json_object"}),
    "an answer in prose": chat(ASKED, ANSWERED | {"content": "None, I'm afraid."}, THANKS),
    "the generalist's own": chat(*COLOURS, THANKS),
    "nobody before": chat(ANSWERED, THANKS),
}


@pytest.mark.parametrize("body", UNCHANGED.values(), ids=UNCHANGED)
async def test_other_histories_are_read_as_they_are(body):
    """Who wrote an answer reads it unchanged; and words are put around bare ones alone."""
    able = {"capabilities": frozenset({Capability.JSON_SCHEMA})}
    gateway = stack(generalist=GENERALIST.model_copy(update=able))

    assert await read(gateway, body) == (body["messages"], None)


async def test_an_operator_can_turn_it_off():
    """By a key of niche.yaml."""
    assert await read(stack(introduce_bare_answers=False), chat(*HISTORY)) == (HISTORY, None)


async def test_agents_read_their_own_history():
    """With tools the specialist never answered, since it calls none: JSON is the generalist's."""
    able = {"capabilities": frozenset({Capability.TOOLS})}
    tools = [{"type": "function", "function": {"name": "f"}}]
    gateway = stack(generalist=GENERALIST.model_copy(update=able), specialist=_without_tools())

    assert await read(gateway, chat(*HISTORY, tools=tools)) == (HISTORY, None)


def _without_tools():
    return SPECIALIST.model_copy(update={"capabilities": frozenset[Capability]()})


async def test_a_specialist_that_is_down_is_known_all_the_same():
    """It answered when it was up."""
    gateway = stack()
    gateway.sql.refusal = Unavailable("sql-model", "gone")
    async with gateway.client() as client:
        for _ in range(8):
            await client.post(CHAT, json=chat(ASKED))
        answer = await client.post(CHAT, json=chat(*HISTORY))

    assert answer.headers["x-niche-rewritten"] == "messages[1]"


async def test_without_the_classifier_a_history_is_read_as_it_is():
    """Then nobody knows who wrote it."""

    class Down:
        async def score(self, query):
            raise ScoringFailed("down")

        async def health(self):
            pass

    assert await read(stack(scorer=Down()), chat(*HISTORY)) == (HISTORY, None)


async def test_a_conversation_that_was_here_before_is_not_classified_again():
    """The scores of its earlier turns are remembered."""
    gateway = stack()
    async with gateway.client() as client:
        await client.post(CHAT, json=chat(ASKED))
        await client.post(CHAT, json=chat(*HISTORY))

    assert gateway.sample("niche_router_batch_size_sum") == 2


async def test_only_the_last_answers_of_a_long_conversation_are_looked_at():
    """A request's work is bounded."""
    _, rewritten = await read(stack(), chat(*[ASKED, ANSWERED] * 40, THANKS))

    places = rewritten.split(", ")
    assert (len(places), places[-1]) == (16, "messages[79]")


async def test_the_header_speaks_of_the_clients_own_items():
    """In a response's input instructions are no item."""
    body = {"model": "auto", "instructions": "Be brief.", "input": HISTORY}

    messages, rewritten = await read(stack(FakeBackend), body, "/v1/responses")

    assert messages[2]["content"] == introduced(QUERY, 2)
    assert rewritten == "input[1]"


async def test_the_header_speaks_of_the_clients_own_turns():
    """In Anthropic's dialect the system prompt is none."""
    body = {"model": "auto", "max_tokens": 9, "system": "Be brief.", "messages": HISTORY}

    messages, rewritten = await read(stack(FakeBackend), body, "/v1/messages")

    assert messages[2]["content"] == introduced(QUERY, 2)
    assert rewritten == "messages[1].content"


async def test_the_tokens_that_are_counted_are_those_that_are_read():
    """The count is of the same conversation as an answer's."""
    messages, _ = await read(
        stack(), {"model": "auto", "messages": HISTORY}, "/v1/messages/count_tokens"
    )

    assert messages[1]["content"] == introduced(QUERY, 1)
