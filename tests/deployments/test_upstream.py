"""An upstream: the model's limits hold without replicas, and every way out frees a slot."""

import asyncio

import pytest

from deployments.protocol import Chunk, InvalidPrompt, ModelRequest, Overloaded, Unavailable
from deployments.spec import Limits, ModelSpec
from deployments.upstream import Upstream
from tests.fakes import FakeBackend
from tests.model_requests import chat, text_of

ASKED = chat(model="far")
WHOLE = [pytest.param(False, id="streamed"), pytest.param(True, id="whole")]


def upstream(engine: FakeBackend, ongoing: int = 1, queued: int = 1) -> Upstream:
    limits = Limits(max_ongoing_requests=ongoing, max_queued_requests=queued)
    return Upstream(ModelSpec(name="far", model="m", engine="openai", limits=limits), engine)


def closed() -> FakeBackend:
    """An engine that answers when its gate is opened."""
    return FakeBackend("far", first_gate=asyncio.Event())


async def ask(model: Upstream, whole: bool, request: ModelRequest = ASKED) -> list[Chunk]:
    if whole:
        return [await model.complete(request)]
    return [chunk async for chunk in model.stream(request)]


def begin(model: Upstream, whole: bool = False) -> asyncio.Task[list[Chunk]]:
    return asyncio.create_task(ask(model, whole))


async def settle() -> None:
    """Lets every task run as far as it comes."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("whole", WHOLE)
async def test_an_answer_is_the_engines(whole: bool) -> None:
    """Nothing is changed on the way, in either direction."""
    engine = FakeBackend("far")

    assert text_of(await ask(upstream(engine), whole)) == "Hello, world"
    assert engine.requests == [ASKED]


@pytest.mark.parametrize("whole", WHOLE)
async def test_only_so_many_requests_are_in_the_engine_at_once(whole: bool) -> None:
    """The next one starts when one ends, in the order of arrival."""
    engine = closed()
    model = upstream(engine, ongoing=2, queued=2)
    tasks = [begin(model, whole) for _ in range(4)]
    await settle()

    assert (engine.open_streams, (await model.load("far")).queued) == (2, 2)
    assert engine.first_gate is not None
    engine.first_gate.set()
    answers = await asyncio.gather(*tasks)
    assert [text_of(answer) for answer in answers] == ["Hello, world"] * 4
    assert (engine.open_streams, (await model.load("far")).queued) == (0, 0)


@pytest.mark.parametrize("whole", WHOLE)
async def test_a_full_queue_refuses(whole: bool) -> None:
    """The error says how many wait and when to try again; the engine is not asked."""
    engine = closed()
    model = upstream(engine, ongoing=1, queued=2)
    tasks = [begin(model) for _ in range(3)]
    await settle()

    with pytest.raises(Overloaded) as refused:
        await ask(model, whole)

    error = refused.value
    assert (error.model, error.queued, error.cause) == ("far", 2, "queue")
    assert error.retry_after_seconds > 0
    assert len(engine.requests) == 1
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.mark.parametrize("whole", WHOLE)
async def test_who_leaves_while_waiting_frees_its_place(whole: bool) -> None:
    """The place is free for another, and the slot goes to nobody who has left."""
    engine = closed()
    model = upstream(engine)
    first, leaving = begin(model), begin(model, whole)
    await settle()

    leaving.cancel()
    await asyncio.wait([leaving])
    staying = begin(model, whole)
    await settle()
    assert engine.first_gate is not None
    engine.first_gate.set()

    assert text_of(await first) == text_of(await staying) == "Hello, world"
    assert len(engine.requests) == 2


@pytest.mark.parametrize("whole", WHOLE)
async def test_a_cancelled_request_frees_its_slot(whole: bool) -> None:
    """The engine's work ends, and the next request starts."""
    engine = closed()
    model = upstream(engine)
    first, second = begin(model, whole), begin(model)
    await settle()

    first.cancel()
    await asyncio.wait([first])
    await settle()

    assert (engine.closed_early, engine.open_streams, len(engine.requests)) == (1, 1, 2)
    second.cancel()
    await asyncio.wait([second])


async def test_a_stream_holds_its_slot_until_it_is_closed() -> None:
    """A client that reads slowly keeps it, and one that leaves gives it back."""
    engine = FakeBackend("far")
    model = upstream(engine)
    stream = model.stream(ASKED)
    await anext(stream)
    waiting = begin(model)
    await settle()
    assert not waiting.done()

    await stream.aclose()

    assert text_of(await waiting) == "Hello, world"
    assert engine.closed_early == 1


@pytest.mark.parametrize("whole", WHOLE)
async def test_a_refusal_of_the_engine_stays_what_it_is(whole: bool) -> None:
    """And its slot is free again."""
    engine = FakeBackend("far", refusal=InvalidPrompt("tools", "none here"))
    model = upstream(engine)

    with pytest.raises(InvalidPrompt):
        await ask(model, whole)

    engine.refusal = None
    assert text_of(await ask(model, whole)) == "Hello, world"


@pytest.mark.parametrize("whole", WHOLE)
async def test_a_fault_of_the_engine_is_unavailable(
    whole: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Another model may answer instead; the log has the fault."""
    engine = FakeBackend("far", refusal=RuntimeError("a bug"))

    with pytest.raises(Unavailable) as raised:
        await ask(upstream(engine), whole)

    assert raised.value.model == "far"
    assert [record.fields["request_id"] for record in caplog.records] == ["r1"]


async def test_health_waits_for_no_slot() -> None:
    """A busy model is asked how it is, and its word counts."""
    engine = closed()
    model = upstream(engine)
    task = begin(model)
    await settle()

    await model.health("far")
    engine.illness = "gone"
    with pytest.raises(Unavailable):
        await model.health("far")
    task.cancel()
    await asyncio.wait([task])


async def test_the_card_is_the_engines() -> None:
    """Its name and its engine are told as they are."""
    [card] = await upstream(FakeBackend("far")).cards()

    assert card.name == "far"
