"""Many clients at once, clients that leave, and models that refuse, sleep or die, on the really
running stack."""

import asyncio

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.e2e.conftest import Stack, eventually
from tests.e2e.test_openai_client import GENERAL, SQL, TOOLS

pytestmark = pytest.mark.serve

SUPPORT = "Why was my card payment declined at the supermarket?"
BIOMED = "Two patients on carbamazepine developed hyponatremia and confusion."
BEGINNING = 16
"""Characters of an answer that do not depend on what else is answered."""
PROMPTS = [
    SQL,
    TOOLS,
    GENERAL,
    "Columns: player, team, goals\nQuestion: How many goals did Ronaldo score?",
    "book a table for two at an italian restaurant in Paris tonight",
    "What is the capital of Japan?",
    "Columns: city, population\nQuestion: What is the population of Berlin?",
    "Tell me a short story about a dog.",
]


async def stream_text(client: AsyncOpenAI, text: str) -> str:
    parts = []
    stream = await client.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": text}],
        temperature=0,
        max_tokens=24,
        stream=True,
    )
    async for chunk in stream:
        parts.append(chunk.choices[0].delta.content or "")
        finished = chunk.choices[0].finish_reason
    assert finished in ("stop", "length")
    return "".join(parts)


@pytest.mark.chaos
async def test_64_streams_at_once_begin_as_those_given_alone(stack: Stack) -> None:
    """Sixty-four concurrent streams all complete, each with the answer to its own prompt.

    Their beginnings are equal: beside others, last digits of llama.cpp's numbers differ, and with
    them now and then a later word.
    """
    async with AsyncOpenAI(
        base_url=f"{stack.url}/v1", api_key="none", max_retries=0, timeout=240
    ) as client:
        alone = {text: await stream_text(client, text) for text in PROMPTS}
        texts = [PROMPTS[index % len(PROMPTS)] for index in range(64)]

        together = await asyncio.gather(*(stream_text(client, text) for text in texts))

    begun = {text: answer[:BEGINNING] for text, answer in alone.items()}
    assert [answer[:BEGINNING] for answer in together] == [begun[text] for text in texts]
    assert len(set(begun.values())) == len(PROMPTS)


def test_a_client_that_leaves_frees_its_slot(stack: Stack) -> None:
    """When the client hangs up mid-stream the engine stops generating for it."""
    before = stack.load("generalist")
    body = {
        "model": "generalist",
        "messages": [{"role": "user", "content": "Write a very long story."}],
        "max_tokens": 1500,
        "temperature": 0,  # the greedy story goes on for more than 400 tokens
        "stream": True,
    }
    with httpx.stream("POST", f"{stack.url}/v1/chat/completions", json=body, timeout=60) as answer:
        lines = answer.iter_lines()  # httpx hangs up when nothing holds this any more
        for _ in range(8):
            next(lines)
        assert stack.load("generalist")["running"] == 1

    assert eventually(lambda: stack.load("generalist")["running"] == 0)
    after = stack.load("generalist")
    assert after["cancelled"] == before["cancelled"] + 1
    assert after["generated_tokens"] - before["generated_tokens"] < 1000


def answered(client: OpenAI, text: str) -> tuple[dict[str, str], str]:
    """How a request was routed, and its answer."""
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": text}], max_tokens=4, temperature=0
    )
    facts = {name: raw.headers[f"x-niche-{name}"] for name in ("domain", "model", "reason")}
    return facts, raw.parse().choices[0].message.content or ""


def test_an_overloaded_specialist_is_replaced(client: OpenAI) -> None:
    """A request of a specialist that refuses is answered by the generalist, which says why."""
    facts, answer = answered(client, SUPPORT)

    assert facts == {"domain": "support", "model": "generalist", "reason": "overloaded"}
    assert answer


def test_a_sleeping_specialist_wakes_for_its_first_request(stack: Stack, client: OpenAI) -> None:
    """Without a replica it is ready; the first request is routed to it, and starts the replica that
    answers."""
    assert "biomed" not in stack.replicas()
    assert httpx.get(f"{stack.url}/readyz?all").is_success

    facts, answer = answered(client, BIOMED)

    assert facts == {"domain": "biomed", "model": "biomed", "reason": "routed"}
    assert answer.startswith("biomed answers")
    assert "biomed" in stack.replicas()


def back_in_service(stack: Stack, model: str, text: str) -> bool:
    """Whether every gateway replica sends the model its traffic again."""
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], "max_tokens": 1}

    def routed() -> bool:
        answers = [
            httpx.post(f"{stack.url}/v1/chat/completions", json=body, timeout=60) for _ in range(6)
        ]
        return all(answer.headers.get("x-niche-model") == model for answer in answers)

    return eventually(routed, 90)


@pytest.mark.chaos
def test_a_model_that_dies_while_it_answers_is_an_error_the_client_sees(
    stack: Stack, client: OpenAI
) -> None:
    """A replica killed mid-stream ends the stream with an error; Serve brings the model back."""
    stream = client.chat.completions.create(
        model="tools",
        messages=[{"role": "user", "content": "Write a very long story."}],
        max_tokens=900,
        temperature=2,
        stream=True,
    )
    next(stream)
    stack.kill("tools")

    with pytest.raises((openai.APIError, httpx.HTTPError)):
        for _ in stream:
            pass
    assert back_in_service(stack, "tools", TOOLS)


@pytest.mark.chaos
def test_traffic_of_a_dead_specialist_is_answered(stack: Stack, client: OpenAI) -> None:
    """While a specialist is down its requests are answered, by it once it is back or by another."""
    stack.kill("sql")

    answer = client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": SQL}], max_tokens=16, temperature=0
    )

    assert answer.model in ("sql", "generalist")
    assert answer.choices[0].message.content
    assert back_in_service(stack, "sql", SQL)
    assert eventually(lambda: httpx.get(f"{stack.url}/readyz?all", timeout=60).is_success)
