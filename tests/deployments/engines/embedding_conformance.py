"""What every engine promises of its embeddings, whatever computes them.

A subclass in `test_embeddings.py` gives the engine, and the facts in which engines may differ.
"""

import asyncio
import base64
import json
import struct
from dataclasses import dataclass, replace
from typing import Any

import pytest

from deployments.engine import Engine
from deployments.protocol import Chunk, DeadlineExceeded, InvalidPrompt, ModelRequest, PromptTooLong
from tests.deployments.engines.asking import cancelled
from tests.model_requests import chat, completion, embedding

NAME = "tiny"
TEXTS = ["hello", "a word", "many more words than before"]


@dataclass(frozen=True)
class Facts:
    """In what an engine under test differs from others.

    Attributes:
        context_tokens: the longest input; None: unlimited.
        slots: inputs that it works on at the same time.
    """

    context_tokens: int | None = None
    slots: int = 2


def vectors(chunk: Chunk) -> list[list[float]]:
    """The vectors of an answer, in either form; their indices are their places."""
    data = json.loads(chunk.data)["data"]
    assert [item["index"] for item in data] == list(range(len(data)))
    return [_numbers(item["embedding"]) for item in data]


def _numbers(written: Any) -> list[float]:
    if isinstance(written, list):
        return written
    packed = base64.b64decode(written)
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


async def embedded(engine: Engine, given: Any, **body: Any) -> list[list[float]]:
    return vectors(await engine.complete(embedding(given, NAME, **body)))


def near(vector: list[float]) -> Any:
    """The same but for the last digits, which depend on what shares a forward pass."""
    return pytest.approx(vector, abs=1e-3)


class EmbeddingConformance:
    """The suite. A subclass has the fixtures `engine` and `facts`."""

    async def test_each_input_has_the_vector_that_it_has_alone(self, engine) -> None:
        """In their order, also while others are embedded; and no two are the same."""
        alone = [vector for text in TEXTS for vector in await embedded(engine, text)]
        together, *others = await asyncio.gather(*(embedded(engine, TEXTS) for _ in range(4)))

        for answer in (together, *others):
            assert [near(vector) for vector in alone] == answer
        assert len(TEXTS) == len({tuple(round(value, 2) for value in of) for of in together})
        assert len({len(vector) for vector in together}) == 1

    async def test_a_vector_has_length_one(self, engine) -> None:
        """So that their products are cosines."""
        for vector in await embedded(engine, TEXTS):
            assert sum(value * value for value in vector) == pytest.approx(1, abs=1e-3)

    async def test_both_forms_say_the_same(self, engine) -> None:
        """Numbers, and base64, which the official client asks for."""
        numbers = await embedded(engine, TEXTS, encoding_format="float")
        packed = await embedded(engine, TEXTS, encoding_format="base64")

        assert [near(vector) for vector in numbers] == packed

    async def test_tokens_are_an_input(self, engine) -> None:
        """Of one input, or of several."""
        one = await engine.complete(embedding([10, 11, 12], NAME))
        two = await engine.complete(embedding([[10, 11, 12], [20]], NAME))

        assert (len(vectors(one)), len(vectors(two))) == (1, 2)
        assert near(vectors(one)[0]) == vectors(two)[0]
        assert (one.usage.prompt_tokens, two.usage.prompt_tokens) == (3, 4)

    async def test_an_answer_has_the_requests_model_and_its_usage(self, engine) -> None:
        """The facts beside the answer are those in it; nothing was generated."""
        alone = [await engine.complete(embedding(text, NAME)) for text in TEXTS]
        chunk = await engine.complete(embedding(TEXTS, NAME))
        answer = json.loads(chunk.data)

        tokens = sum(one.usage.prompt_tokens for one in alone)
        assert (answer["object"], answer["model"]) == ("list", NAME)
        assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
        assert (chunk.prompt_tokens, chunk.usage.prompt_tokens) == (tokens, tokens)
        assert (chunk.tokens, chunk.usage.completion_tokens, chunk.finish_reasons) == (0, 0, ())

    async def test_more_inputs_than_slots_are_answered(self, engine, facts) -> None:
        """Each has its own vector."""
        texts = [f"text {'a' * number}" for number in range(5 * facts.slots)]
        found = await embedded(engine, texts)

        assert len(found) == len(texts)
        assert near(found[-1]) == (await embedded(engine, texts[-1]))[0]

    async def test_labels_and_nulls_ask_for_nothing(self, engine) -> None:
        """They change no vector."""
        labels = {"user": "u", "dimensions": None, "encoding_format": None}

        assert await embedded(engine, "hello", **labels) == [
            near(vector) for vector in await embedded(engine, "hello")
        ]

    @pytest.mark.parametrize(
        ("body", "parameter"),
        [
            pytest.param({"input": ""}, "input", id="an empty text"),
            pytest.param({"input": [[1], []]}, "input", id="no tokens"),
            pytest.param({"input": "a", "dimensions": 2}, "dimensions", id="dimensions"),
            pytest.param({"input": "a", "lora": []}, "lora", id="the engine's own"),
        ],
    )
    async def test_what_cannot_be_served_is_refused_by_name(self, engine, body, parameter) -> None:
        """And the engine lives on."""
        with pytest.raises(InvalidPrompt) as refused:
            await embedded(engine, body["input"], **body)

        assert refused.value.parameter == parameter
        assert await embedded(engine, "hello")

    @pytest.mark.parametrize("asked", [chat(model=NAME), completion(model=NAME)], ids=["c", "t"])
    async def test_no_text_is_written(self, engine, asked: ModelRequest) -> None:
        """Whole or streamed; it is the model that cannot."""
        with pytest.raises(InvalidPrompt) as whole:
            await engine.complete(asked)
        with pytest.raises(InvalidPrompt) as streamed:
            await anext(engine.stream(asked))

        assert (whole.value.parameter, streamed.value.parameter) == ("model", "model")

    async def test_vectors_are_not_streamed(self, engine) -> None:
        """The parameter is the one that asks for it."""
        with pytest.raises(InvalidPrompt) as refused:
            await anext(engine.stream(replace(embedding(model=NAME), stream=True)))

        assert refused.value.parameter == "stream"

    @pytest.mark.parametrize("more", [3, 1000], ids=["a few tokens", "many"])
    async def test_an_input_beyond_the_context_is_refused(self, engine, facts, more) -> None:
        """By name, also among others, and the engine lives on."""
        if facts.context_tokens is None:
            pytest.skip("this engine takes any length")
        long = [10] * (facts.context_tokens + more)

        with pytest.raises(PromptTooLong) as refused:
            await embedded(engine, [[10], long])

        assert refused.value.parameter == "input"
        assert await embedded(engine, "hello")
        assert (await engine.load(NAME)).running == 0

    async def test_a_request_can_be_cancelled(self, engine, facts) -> None:
        """What waits for a slot is never begun, and the next request is served."""
        before = await engine.load(NAME)
        texts = ["a" * 100 for _ in range(50)]
        tasks = [asyncio.create_task(embedded(engine, texts)) for _ in range(2 * facts.slots)]
        await asyncio.sleep(0)
        await cancelled(tasks)
        after = await engine.load(NAME)

        assert all(task.cancelled() for task in tasks)
        assert (after.running, after.queued) == (0, 0)
        assert after.completed == before.completed
        async with asyncio.timeout(5):
            assert await embedded(engine, "hello")

    @pytest.mark.parametrize("limit", ["deadline_seconds", "first_token_seconds"])
    async def test_a_limit_ends_a_request(self, engine, limit) -> None:
        """With an error of its own, where the first vector comes too late, or the last."""
        with pytest.raises(DeadlineExceeded):
            await engine.complete(replace(embedding(TEXTS, NAME), **{limit: 0.0}))

        assert (await engine.load(NAME)).running == 0

    async def test_the_counts_are_the_models(self, engine) -> None:
        """A request with many inputs is one."""
        before = await engine.load(NAME)
        await embedded(engine, TEXTS)
        after = await engine.load(NAME)

        assert (after.completed - before.completed, after.generated_tokens) == (1, 0)
