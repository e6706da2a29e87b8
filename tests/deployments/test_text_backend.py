"""`deployments.text_backend`: one engine that knows text alone, its choices and their facts."""

import asyncio
from dataclasses import replace

import pytest

from deployments.merging import QUEUED_PIECES
from deployments.protocol import (
    Chunk,
    DeadlineExceeded,
    InvalidPrompt,
    ModelRequest,
    Overloaded,
    Unavailable,
    Usage,
)
from tests.fakes import FakeBackend
from tests.model_requests import chat, completion, objects, text_of

SEVERAL = pytest.mark.parametrize("n", [1, 3], ids=["one choice", "several"])


async def read(backend: FakeBackend, request: ModelRequest) -> list[Chunk]:
    return [chunk async for chunk in backend.stream(request)]


async def collect(backend: FakeBackend, request: ModelRequest, chunks: list[Chunk]) -> None:
    """Like `read`, but what came before a failure is not lost."""
    async for chunk in backend.stream(request):
        chunks.append(chunk)


def patient(**changes) -> FakeBackend:
    """One that waits after its first piece."""
    return FakeBackend("big", gate=asyncio.Event(), **changes)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@SEVERAL
@pytest.mark.parametrize("ask", [chat, completion], ids=["chat", "completion"])
async def test_each_choice_says_its_pieces_in_order(ask, n):
    """Whatever the order between the choices."""
    chunks = await read(FakeBackend("big"), ask(n=n))

    assert [text_of(chunks, index) for index in range(n)] == ["Hello, world"] * n
    assert sum(chunk.tokens for chunk in chunks) == 3 * n


@SEVERAL
async def test_the_last_chunk_alone_has_the_usage(n):
    """Beside the JSON, and not in it: nobody asked for it."""
    *earlier, last = await read(FakeBackend("big"), chat(n=n))

    assert all(chunk.usage is None for chunk in earlier)
    assert last.usage == Usage(7, 3 * n, engine_seconds=0.5 * n)
    assert len(last.finish_reasons) == 1
    assert all("usage" not in event for event in objects([*earlier, last]))


@SEVERAL
async def test_usage_that_is_asked_for_is_a_chunk_of_its_own(n):
    """It ends the stream, holds nothing that the model said, and alone has the usage."""
    request = chat(n=n, stream_options={"include_usage": True})

    *earlier, last = await read(FakeBackend("big"), request)

    assert all(chunk.usage is None for chunk in earlier)
    assert last.usage is not None
    assert (last.output, last.tokens, last.finish_reasons) == (False, 0, ())
    [event] = objects([last])
    assert (event["choices"], event["usage"]["completion_tokens"]) == ([], 3 * n)


async def test_finish_reasons_name_their_choices():
    """Each choice's last chunk says why it ended, and no other chunk does."""
    chunks = await read(FakeBackend("big", finish_reason="length"), chat(n=3))

    reasons = [reason for chunk in chunks for reason in chunk.finish_reasons]
    assert sorted(reasons) == [(0, "length"), (1, "length"), (2, "length")]


async def test_a_prompt_counts_once_whatever_n_is():
    """Answers count each; so do different prompts."""
    fake = FakeBackend("big", cached_tokens=4, prefill_seconds=0.1)

    whole = await fake.complete(completion(["a", "b"], n=2))

    assert whole.usage == Usage(14, 12, 8, engine_seconds=2.0, prefill_seconds=0.1)


async def test_a_piece_without_text_is_no_output():
    """It may carry the role or the finish reason."""
    chunks = await read(FakeBackend("big", pieces=["", "a", ""]), chat())

    assert [chunk.output for chunk in chunks] == [False, True, False]


async def test_chunks_come_in_the_order_of_their_arrival():
    """No choice waits for another to end."""
    gate = asyncio.Event()
    stream = FakeBackend("big", gate=gate).stream(chat(n=2))

    begun = [await anext(stream), await anext(stream)]
    gate.set()
    rest = [chunk async for chunk in stream]

    assert [text_of(begun, index) for index in (0, 1)] == ["Hello", "Hello"]
    assert len(rest) == 4


@SEVERAL
async def test_nothing_is_asked_before_the_stream_is_read(n):
    """A stream that is closed unread has no work to stop."""
    fake = FakeBackend("big")

    await fake.stream(chat(n=n)).aclose()

    assert (fake.open_streams, fake.closed_early) == (0, 0)


@SEVERAL
async def test_leaving_closes_every_choice(n):
    """At once, when the stream is closed."""
    fake = patient()
    stream = fake.stream(chat(n=n))
    await anext(stream)

    await stream.aclose()

    assert (fake.open_streams, fake.closed_early) == (0, n)


@SEVERAL
async def test_a_cancelled_reader_closes_every_choice(n):
    """While it waits for the next piece."""
    fake = patient()
    reading = asyncio.create_task(read(fake, chat(n=n)))
    await settled()

    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert (fake.open_streams, fake.closed_early) == (0, n)


@SEVERAL
async def test_a_failure_comes_after_what_was_said(n):
    """And closes the other choices."""
    fake, chunks = FakeBackend("big", failure=Unavailable("big", "died"), fails_after=2), []

    with pytest.raises(Unavailable):
        await collect(fake, chat(n=n), chunks)

    assert text_of(chunks) == "Hello, "
    assert fake.open_streams == 0


@SEVERAL
@pytest.mark.parametrize("error", [Overloaded("big", 9, 1.0), RuntimeError("broken")])
async def test_the_engines_own_errors_pass_through(n, error):
    """Streamed or whole."""
    fake = FakeBackend("big", refusal=error)

    for asked in (read(fake, chat(n=n)), fake.complete(chat(n=n))):
        with pytest.raises(type(error)) as raised:
            await asked
        assert raised.value is error


@SEVERAL
async def test_a_stream_without_an_end_has_no_usage(n):
    """A part of an answer does not look whole, even where usage was asked for."""
    chunks = await read(
        FakeBackend("big", cut=True), chat(n=n, stream_options={"include_usage": True})
    )

    assert text_of(chunks) == "Hello"
    assert all(chunk.usage is None and not chunk.finish_reasons for chunk in chunks)


async def test_a_slow_reader_slows_the_engine():
    """No more pieces are read ahead than the queue holds, and one for each choice."""
    seen = []

    class Watched(FakeBackend):
        def _piece(self, prompt, text, *, last):
            seen.append(prompt.request_id)
            return super()._piece(prompt, text, last=last)

    stream = Watched("big", pieces=["x"] * 1000).stream(chat(n=2))
    await anext(stream)
    await settled()

    assert len(seen) <= QUEUED_PIECES + 3
    await stream.aclose()


@SEVERAL
@pytest.mark.parametrize("ask", [chat, completion], ids=["chat", "completion"])
async def test_a_whole_answer_is_one_chunk(ask, n):
    """With all choices, and the usage beside the JSON as in it."""
    whole = await FakeBackend("big").complete(ask(n=n))

    assert [text_of([whole], index) for index in range(n)] == ["Hello, world"] * n
    assert (whole.output, whole.tokens) == (True, 3 * n)
    assert whole.finish_reasons == tuple((index, "stop") for index in range(n))
    [body] = objects([whole])
    assert whole.usage is not None
    assert body["usage"]["completion_tokens"] == whole.usage.completion_tokens == 3 * n


@SEVERAL
async def test_a_whole_answer_without_an_end_is_a_failure(n):
    """Nothing of it is given."""
    with pytest.raises(Unavailable) as raised:
        await FakeBackend("big", cut=True).complete(chat(n=n))

    assert raised.value.model == "tiny"


@SEVERAL
async def test_a_whole_answer_whose_first_piece_is_late_is_given_up(n):
    """With the limit as it was given; the generation stops."""
    fake = FakeBackend("big", first_gate=asyncio.Event())

    with pytest.raises(DeadlineExceeded) as raised:
        await fake.complete(replace(chat(n=n), first_token_seconds=0.01))

    assert (raised.value.model, raised.value.seconds) == ("tiny", 0.01)
    assert (fake.open_streams, fake.closed_early) == (0, n)


async def test_the_limit_is_for_the_first_piece_alone():
    """An answer that has begun may take its time."""
    gate = asyncio.Event()
    fake = FakeBackend("big", gate=gate)
    asyncio.get_running_loop().call_later(0.03, gate.set)

    whole = await fake.complete(replace(chat(), first_token_seconds=0.01))

    assert text_of([whole]) == "Hello, world"


@SEVERAL
async def test_a_cancelled_call_stops_the_generation(n):
    """Before the first piece, and after it."""
    for fake in (patient(), FakeBackend("big", first_gate=asyncio.Event())):
        asked = asyncio.create_task(fake.complete(chat(n=n)))
        await settled()
        assert fake.open_streams == n

        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

        assert (fake.open_streams, fake.closed_early) == (0, n)


async def test_what_is_not_served_is_refused_before_any_work():
    """By name, streamed or whole."""
    fake = FakeBackend("big")

    for asked in (read(fake, chat(tools=[1])), fake.complete(chat(tools=[1]))):
        with pytest.raises(InvalidPrompt) as refused:
            await asked
        assert refused.value.parameter == "tools"
    assert fake.closed_early == 0
