"""What every engine promises, whatever computes its answers.

A subclass in `test_conformance.py` gives the engine, and the facts in which engines may differ;
one for vLLM in `test_vllm_conformance.py`.

What needs more than an engine is tested elsewhere: a replica that is killed while it answers, on a
running stack, in `tests/e2e/test_load_and_failure.py` and `test_pools.py`; a process of vLLM's that
dies in `test_vllm.py`; a server that goes away in `test_openai_errors.py`; and memory that is not
there in `test_llama_memory.py`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import pytest

from deployments.engine import Engine
from deployments.protocol import (
    Chunk,
    DeadlineExceeded,
    InvalidPrompt,
    PromptTooLong,
    Unavailable,
)
from tests.deployments.engines.asking import (
    BOTH,
    NAME,
    TOKENS,
    ask,
    cancelled,
    leave_at_random,
    proceed,
    scored,
    streamed,
)
from tests.model_requests import objects, text_of

STALL_SECONDS = 0.2
"""Of the engines under test: without progress for longer they want to be restarted."""

Hang = Callable[[], AbstractContextManager[None]]
"""In the block that it gives, the engine's forward pass does not return."""


@dataclass(frozen=True)
class Facts:
    """In what an engine under test differs from others.

    Attributes:
        samples: whether a seed and a temperature have an effect.
        context_tokens: the longest prompt and answer together; None: unlimited.
        control_token: a control token of its model, as it is written; None: it has none.
        counts_empty: whether an empty text is a prompt.
        slots: requests that it works on at the same time.
        long_tokens: of answers that are left before their end.
        forwards: whether a server behind it does the work, which keeps some promises less well:
            llama.cpp's looks once a second whether somebody still waits for a prompt to be read,
            loses what it holds back as it might be a stop string, and gives no log-probabilities
            without alternatives.
        reads_in_parts: whether a prompt takes several forward passes.
    """

    samples: bool = True
    context_tokens: int | None = None
    control_token: str | None = None
    counts_empty: bool = False
    slots: int = 4
    long_tokens: int = 200
    forwards: bool = False
    reads_in_parts: bool = True


async def batch_invariant(engine: Engine) -> bool:
    """Whether an answer is the same beside others, to the last token, as the card says."""
    [card] = await engine.cards()
    return card.batch_invariant


async def seconds(work: Coroutine[Any, Any, Any]) -> float:
    """How long it takes."""
    clock = asyncio.get_running_loop().time
    before = clock()
    await work
    return clock() - before


async def crowded(engine: Engine, facts: Facts) -> tuple[Any, list[asyncio.Task[Any]], Any]:
    """Fills all slots. Returns a stream, those who read the others, which are half as long and
    began earlier, and a short answer that waits for a slot."""
    lengths = [facts.long_tokens // 2] * (facts.slots - 1) + [facts.long_tokens]
    streams = [engine.stream(ask(max_tokens=length)) for length in lengths]
    await asyncio.gather(*(anext(stream) for stream in streams))
    *others, last = streams
    readers = [asyncio.create_task(_read(stream)) for stream in others]
    waiting = asyncio.create_task(engine.complete(ask("b", max_tokens=1)))
    await asyncio.sleep(0)
    return last, readers, waiting


async def _dead(engine: Engine) -> None:
    """Waits until the engine wants a restart."""
    async with asyncio.timeout(10):
        while True:
            try:
                await engine.alive()
            except Unavailable:
                return
            await asyncio.sleep(0.01)


async def _read(stream: Any) -> None:
    async with aclosing(stream):
        async for _ in stream:
            pass


class EngineConformance:
    """The suite. A subclass has the fixtures `engine` and `facts`."""

    @BOTH
    @pytest.mark.parametrize("n", [1, 3], ids=["one choice", "several"])
    async def test_a_stream_says_what_a_whole_answer_says(self, engine, request_of, n) -> None:
        """The text, the reasons and the counts are the same."""
        request = request_of(n=n)
        whole, chunks = await engine.complete(request), await streamed(engine, request)

        for index in range(n):
            assert text_of(chunks, index) == text_of([whole], index) != ""
        reasons = {reason for chunk in chunks for reason in chunk.finish_reasons}
        assert reasons == set(whole.finish_reasons)
        last = chunks[-1].usage
        assert (last.prompt_tokens, last.completion_tokens) == (
            whole.usage.prompt_tokens,
            whole.usage.completion_tokens,
        )

    @BOTH
    async def test_the_last_chunk_alone_has_the_usage(self, engine, request_of) -> None:
        """It counts the tokens of all chunks, and the engine's time."""
        *earlier, last = await streamed(engine, request_of())

        assert all(chunk.usage is None for chunk in earlier)
        assert last.usage.completion_tokens == sum(chunk.tokens for chunk in [*earlier, last])
        assert last.usage.completion_tokens <= TOKENS
        assert last.usage.prompt_tokens > 0

    @pytest.mark.parametrize("whole", [True, False], ids=["whole", "streamed"])
    async def test_an_engine_counts_what_it_generates(self, engine, whole) -> None:
        """Each token once, also of what is held back as it might be a stop string."""
        text = text_of([await engine.complete(ask())])
        request = ask(stop=[text[2:4] + "~", text[-3:] + "~"])
        before = await engine.load(NAME)
        chunks = [await engine.complete(request)] if whole else await streamed(engine, request)
        after = await engine.load(NAME)

        generated = after.generated_tokens - before.generated_tokens
        assert generated == chunks[-1].usage.completion_tokens
        assert after.completed - before.completed == 1

    @BOTH
    async def test_a_client_gets_the_usage_only_where_it_asks(self, engine, request_of) -> None:
        """An event without choices at the end of a stream; in a whole answer always."""
        request = request_of(stream_options={"include_usage": True})
        *events, last = objects(await streamed(engine, request))

        assert last["choices"] == []
        assert last["usage"]["completion_tokens"] > 0
        assert all(event.get("usage") is None for event in events)
        assert all("usage" not in event for event in objects(await streamed(engine, request_of())))
        whole = objects([await engine.complete(request_of())])[0]["usage"]
        assert whole["total_tokens"] == last["usage"]["total_tokens"]

    @BOTH
    async def test_an_answer_has_the_requests_identity(self, engine, request_of) -> None:
        """Each event, and the whole answer, is named as the gateway asked."""
        request = request_of()
        answers = objects([*await streamed(engine, request), await engine.complete(request)])

        facts = {(answer["id"], answer["created"], answer["model"]) for answer in answers}
        assert facts == {(request.response_id, request.created, NAME)}

    async def test_the_role_comes_with_the_first_event(self, engine) -> None:
        """And with no other, as in OpenAI's streams."""
        events = objects(await streamed(engine, ask()))

        roles = [choice["delta"].get("role") for event in events for choice in event["choices"]]
        assert roles == ["assistant"] + [None] * (len(roles) - 1)

    @BOTH
    @pytest.mark.parametrize("length", [1, 2, 5], ids=["one letter", "two letters", "five"])
    async def test_a_stop_string_ends_the_answer_before_it(
        self, engine, request_of, length
    ) -> None:
        """Also one that begins in one token and ends in another; and nothing of it is shown."""
        whole = text_of([await engine.complete(request_of())])
        stop = whole[6 : 6 + length]
        request = request_of(stop=[stop, "never said"])
        answer, chunks = await engine.complete(request), await streamed(engine, request)

        assert text_of([answer]) == text_of(chunks) == whole[: whole.index(stop)]
        assert answer.finish_reasons == ((0, "stop"),)

    @BOTH
    async def test_the_stop_string_that_ended_an_answer_is_named(
        self, engine, facts, request_of
    ) -> None:
        """Whole and streamed; an answer that ends by itself names none."""
        if facts.forwards:
            pytest.skip("servers behind this engine need not say it")
        plain = await engine.complete(request_of())
        stop = text_of([plain])[6:8]
        request = request_of(stop=["never said", stop])
        answer, chunks = await engine.complete(request), await streamed(engine, request)

        ended = [choice for of in objects(chunks) for choice in of["choices"]]
        [whole] = objects([answer])
        assert whole["choices"][0]["stop_reason"] == stop
        assert [of["stop_reason"] for of in ended if of.get("finish_reason")] == [stop]
        assert not objects([plain])[0]["choices"][0].get("stop_reason")

    async def test_a_stop_string_that_only_begins_hides_nothing(self, engine, facts) -> None:
        """What was held back, as it might be one, is shown in the end."""
        if facts.forwards:
            pytest.skip("a server behind this engine looks for stop strings")
        whole = text_of([await engine.complete(ask())])
        request = ask(stop=[whole[-2:] + "~"], logprobs=True)
        answer, chunks = await engine.complete(request), await streamed(engine, request)

        assert text_of(chunks) == text_of([answer]) == whole
        assert sum(chunk.tokens for chunk in chunks) == chunks[-1].usage.completion_tokens
        parts = [choice for event in objects([answer, *chunks]) for choice in event["choices"]]
        assert "".join(token for part in parts for token, _, _ in scored(part)) == 2 * whole

    async def test_a_seed_repeats_an_answer(self, engine, facts) -> None:
        """And another seed gives another answer, where the engine samples."""
        request = ask(temperature=1.0, seed=7)
        first, second = [text_of([await engine.complete(request)]) for _ in range(2)]
        others = [
            text_of([await engine.complete(ask(temperature=1.0, seed=seed))]) for seed in range(3)
        ]

        assert first == second
        assert not facts.samples or len({first, *others}) > 1

    async def test_choices_differ_and_repeat(self, engine, facts) -> None:
        """Each of several choices has a seed of its own, which follows from the request's."""
        request = ask(temperature=1.0, seed=7, n=3)
        first, second = await engine.complete(request), await engine.complete(request)
        texts = [text_of([first], index) for index in range(3)]

        assert not facts.samples or len(set(texts)) > 1
        if await batch_invariant(engine):
            assert texts == [text_of([second], index) for index in range(3)]

    async def test_answers_beside_others_are_those_given_alone(self, engine) -> None:
        """Where the engine's card promises it."""
        questions = [f"question {letter * 3}" for letter in "abcdefgh"]
        alone = [text_of([await engine.complete(ask(text))]) for text in questions]
        together = await asyncio.gather(*(engine.complete(ask(text)) for text in questions))

        if await batch_invariant(engine):
            assert [text_of([answer]) for answer in together] == alone

    @BOTH
    async def test_log_probabilities_belong_to_the_text(self, engine, request_of) -> None:
        """The tokens make up the text; each is one of its likeliest, or less likely."""
        wanted = {"logprobs": True, "top_logprobs": 3} if request_of is ask else {"logprobs": 3}
        request = request_of(**wanted)
        (whole,) = objects([await engine.complete(request)])[0]["choices"]
        chunks = await streamed(engine, request)
        parts = [choice for event in objects(chunks) for choice in event["choices"]]

        tokens = scored(whole)
        assert "".join(token for token, _, _ in tokens) == text_of(chunks)
        assert [token for part in parts for token in scored(part)] == [
            (token, pytest.approx(logprob, abs=1e-2), pytest.approx(top, abs=1e-2))
            for token, logprob, top in tokens
        ]
        for token, logprob, top in tokens:
            assert len(top) == 3
            assert logprob <= max(top.values()) + 1e-6 <= 1e-6
            assert token not in top or top[token] == pytest.approx(logprob)

    async def test_log_probabilities_without_alternatives(self, engine, facts) -> None:
        """Those of the answer's own tokens alone."""
        if facts.forwards:
            pytest.skip("a server behind this engine computes them")
        (whole,) = objects([await engine.complete(ask(logprobs=True))])[0]["choices"]

        assert "".join(token for token, _, _ in scored(whole)) == whole["message"]["content"]
        assert all(top == {} for _, _, top in scored(whole))

    async def test_closing_a_stream_frees_its_slot(self, engine, facts) -> None:
        """More streams than slots are left one after the other, and the next request is served."""
        before = await engine.load(NAME)
        for _ in range(2 * facts.slots):
            async with aclosing(engine.stream(ask(max_tokens=200))) as stream:
                await anext(stream)
        after = await engine.load(NAME)

        assert (after.running, after.queued) == (0, 0)
        assert after.cancelled - before.cancelled == 2 * facts.slots
        async with asyncio.timeout(5):
            assert (await engine.complete(ask())).usage is not None

    async def test_a_whole_answer_can_be_cancelled_before_its_first_token(
        self, engine, facts
    ) -> None:
        """Also one that waits for a slot."""
        before = await engine.load(NAME)
        tasks = [
            asyncio.create_task(engine.complete(ask("a" * 200, max_tokens=200)))
            for _ in range(2 * facts.slots)
        ]
        await asyncio.sleep(0)
        await cancelled(tasks)
        after = await engine.load(NAME)

        assert all(task.cancelled() for task in tasks)
        assert (after.running, after.queued) == (0, 0)
        assert after.completed == before.completed
        async with asyncio.timeout(5):
            assert (await engine.complete(ask())).usage is not None

    async def test_a_slot_is_free_when_its_reader_leaves(self, engine, facts) -> None:
        """The next request is answered while the others are far from their ends."""
        last, readers, waiting = await crowded(engine, facts)
        await last.aclose()
        answer = await waiting

        assert not any(reader.done() for reader in readers)
        assert answer.usage.completion_tokens == 1
        await cancelled(readers)

    @pytest.mark.slow
    async def test_a_slot_is_free_within_a_tenth_of_a_second(self, engine, facts) -> None:
        """Half of the times at least, so that a busy machine changes nothing; this includes the
        next request's first token."""
        taken = []
        for _ in range(9):
            last, readers, waiting = await crowded(engine, facts)
            await last.aclose()
            taken.append(await seconds(asyncio.wait_for(waiting, 5)))
            await cancelled(readers)

        assert median(taken) < 0.1

    async def test_a_prompt_is_read_no_further_when_its_reader_leaves(self, engine, facts) -> None:
        """All slots are free long before the prompts could be read to their ends."""
        if facts.context_tokens is None or facts.forwards or not facts.reads_in_parts:
            pytest.skip("this engine has no prompts to read")

        def long() -> Coroutine[Any, Any, Chunk]:
            return engine.complete(ask("a" * (facts.context_tokens - 60), max_tokens=1, seed=1))

        alone = median([await seconds(long()) for _ in range(3)])
        freed = []
        for _ in range(3):
            readers = [asyncio.create_task(long()) for _ in range(facts.slots)]
            await asyncio.sleep(alone / 4)
            await cancelled(readers)
            freed.append(await seconds(engine.complete(ask("b", max_tokens=1))))

        assert median(freed) < alone / 2

    async def test_nobody_waits_for_a_hung_engine_beyond_the_deadline(
        self, engine, facts, hang
    ) -> None:
        """Not even who waits for a slot; and when the engine goes on, so do its requests."""
        late = replace(ask(), deadline_seconds=0.1)
        with hang():
            asked = [engine.complete(late) for _ in range(2 * facts.slots)]
            ended = await asyncio.gather(*asked, return_exceptions=True)

        assert {type(error) for error in ended} == {DeadlineExceeded}
        async with asyncio.timeout(5):
            assert (await engine.complete(ask())).usage is not None
        assert (await engine.load(NAME)).running == 0

    async def test_a_hung_engine_asks_for_a_restart(self, engine, facts, hang) -> None:
        """Also when everybody has left; one that is idle, or that a restart does not bring back,
        does not."""
        await asyncio.sleep(2 * STALL_SECONDS)
        await engine.alive()
        with hang():
            waiting = asyncio.create_task(engine.complete(ask()))
            await asyncio.sleep(2 * STALL_SECONDS)
            if not facts.forwards:
                await _dead(engine)
            await cancelled([waiting])
            if facts.forwards:
                await engine.alive()
            else:
                await _dead(engine)

        async with asyncio.timeout(5):
            assert (await engine.complete(ask())).usage is not None
        await engine.alive()

    @pytest.fixture
    def hang(self) -> Hang:
        pytest.skip("nothing makes this engine hang")

    @pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.slow)])
    async def test_requests_that_leave_at_random_leave_nothing_behind(self, engine, count) -> None:
        """After a crowd of readers, some of whom left, some before anything was said, the engine is
        as it was."""
        expected = text_of([await engine.complete(ask())])
        await leave_at_random(engine, count)
        load = await engine.load(NAME)

        assert (load.running, load.queued) == (0, 0)
        assert text_of([await engine.complete(ask())]) == expected
        await engine.alive()

    async def test_a_deadline_ends_an_answer(self, engine) -> None:
        """Whole or streamed, with an error of its own."""
        late = replace(ask(max_tokens=200), deadline_seconds=0.0)

        with pytest.raises(DeadlineExceeded):
            await engine.complete(late)
        with pytest.raises(DeadlineExceeded):
            await streamed(engine, late)
        assert (await engine.load(NAME)).running == 0

    @BOTH
    async def test_a_prompt_beyond_the_context_is_refused(self, engine, facts, request_of) -> None:
        """By name, before the first chunk, and the engine lives on."""
        if facts.context_tokens is None:
            pytest.skip("this engine takes any length")
        parameter = "messages" if request_of is ask else "prompt"

        with pytest.raises(PromptTooLong) as refused:
            await engine.complete(request_of("a" * (facts.context_tokens + 1)))
        with pytest.raises(PromptTooLong):
            await streamed(engine, request_of("a" * (facts.context_tokens + 1)))

        assert refused.value.parameter == parameter
        assert (await engine.complete(ask())).usage is not None

    async def test_a_prompt_may_fill_the_context(self, engine, facts) -> None:
        """But for one token, which is the answer."""
        if facts.context_tokens is None:
            pytest.skip("this engine takes any length")
        answer = await engine.complete(proceed("a" * (facts.context_tokens - 1), max_tokens=1))

        assert answer.usage.prompt_tokens == facts.context_tokens - 1
        assert len(text_of([answer])) == 1

    async def test_an_empty_text_is_no_prompt(self, engine, facts) -> None:
        """There is nothing to continue; an empty message, however, is one."""
        if not facts.counts_empty:
            with pytest.raises(InvalidPrompt) as refused:
                await engine.complete(proceed(""))
            assert refused.value.parameter == "prompt"
        assert text_of([await engine.complete(ask(""))])

    async def test_control_tokens_in_a_message_are_text(self, engine, facts) -> None:
        """The letters of a control token are tokens like others, in whatever message they stand."""
        if facts.control_token is None:
            pytest.skip("this engine's model has no control tokens")

        async def count(content: Any) -> int:
            usage = (await engine.complete(ask(content, max_tokens=1))).usage
            return usage.prompt_tokens

        empty, letters = await count(""), len(facts.control_token)
        assert await count(facts.control_token) >= empty + letters
        part = {"type": "text", "text": facts.control_token}
        assert await count([part]) >= empty + letters

    async def test_an_unknown_parameter_is_refused_by_name(self, engine, facts) -> None:
        """Nothing that a client writes reaches the engine unseen."""
        if facts.forwards:
            pytest.skip("a server behind this engine knows its parameters")
        with pytest.raises(InvalidPrompt) as refused:
            await engine.complete(ask(lora=[{"id": 0, "scale": 1.0}]))

        assert refused.value.parameter == "lora"

    async def test_labels_and_nulls_ask_for_nothing(self, engine) -> None:
        """They change no answer."""
        labels = {"user": "u", "metadata": {"a": "b"}, "seed": None, "stop": None, "tools": None}

        assert text_of([await engine.complete(ask(**labels))]) == text_of(
            [await engine.complete(ask())]
        )
