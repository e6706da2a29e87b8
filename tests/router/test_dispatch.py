"""Dispatch: candidates are asked in turn, and health hears how it ended."""

import asyncio
from dataclasses import replace

import pytest

from deployments.protocol import (
    Chunk,
    DeadlineExceeded,
    InvalidPrompt,
    ModelRequest,
    Overloaded,
    PromptTooLong,
    Unavailable,
    Usage,
)
from router.dispatch import Dispatcher
from router.health import BreakerState, Health
from router.types import Decision, Reason
from tests.fakes import FakeBackend
from tests.router.fakes import Script

LAST = Chunk(b"!", usage=Usage(1, 3))
BUSY = Overloaded("a", 9, 1.0)
DEAD = Unavailable("a", "no replica")


def chat(model):
    body = b'{"messages": [{"role": "user", "content": "hello"}]}'
    return ModelRequest("r1", model, "chat", body)


def decision(*models, reason=Reason.ROUTED):
    return Decision("sql", models, reason, 0.9)


def dispatcher(**backends):
    # One failure opens a breaker, so that its state tells what was recorded.
    health = Health(backends, failures_to_open=1)
    return Dispatcher(backends, health, lambda: 0.0), health


async def texts(rest):
    return [chunk.data async for chunk in rest]


async def test_the_first_candidate_answers():
    """When the first candidate answers nobody else is asked, and the reason stays."""
    a, b = Script(Chunk(b"x"), Chunk(b"y"), LAST), Script(LAST)
    asking, _ = dispatcher(a=a, b=b)
    answer = await asking.open(decision("a", "b"), chat)
    assert (answer.model, answer.reason, answer.first.data) == ("a", Reason.ROUTED, b"x")
    assert await texts(answer.rest) == [b"y", b"!"]
    assert [(attempt.model, attempt.error) for attempt in answer.attempts] == [("a", None)]
    assert b.asked == 0


@pytest.mark.parametrize(
    ("seconds", "told"), [((9.0, 2.0), "b"), ((2.0, 9.0), "a")], ids=["the last", "the first"]
)
async def test_when_all_are_busy_the_soonest_says_when_to_come_again(seconds, told):
    """A request would be taken there first."""
    a, b = (Script(Overloaded(name, 9, of)) for name, of in zip("ab", seconds, strict=True))
    asking, _ = dispatcher(a=a, b=b)

    with pytest.raises(Overloaded) as raised:
        await asking.open(decision("a", "b"), chat)

    assert (raised.value.model, raised.value.retry_after_seconds) == (told, 2.0)


@pytest.mark.parametrize("error", [BUSY, DEAD], ids=["busy", "dead"])
async def test_a_request_too_long_for_the_last_may_come_again_for_another(error):
    """It is not too long for the one that could not take it now."""
    asking, _ = dispatcher(a=Script(error), b=Script(PromptTooLong("messages", "no")))

    with pytest.raises(type(error)) as raised:
        await asking.open(decision("a", "b"), chat)

    assert raised.value is error


@pytest.mark.parametrize(
    ("error", "reason"), [(BUSY, Reason.OVERLOADED), (DEAD, Reason.UNHEALTHY)], ids=["busy", "dead"]
)
async def test_the_next_candidate_answers_for_one_that_cannot(error, reason):
    """Overloaded and unavailable move on, and are kept as the reason and in the attempts."""
    asking, _ = dispatcher(a=Script(error), b=Script(LAST))
    answer = await asking.open(decision("a", "b"), chat)
    assert (answer.model, answer.reason) == ("b", reason)
    assert [(attempt.model, attempt.error) for attempt in answer.attempts] == [
        ("a", error),
        ("b", None),
    ]


async def test_the_reason_is_why_the_first_candidate_was_left():
    """When several candidates fail, the reason is the first one's."""
    asking, _ = dispatcher(a=Script(BUSY), b=Script(Unavailable("b", "gone")), c=Script(LAST))
    answer = await asking.open(decision("a", "b", "c"), chat)
    assert (answer.model, answer.reason) == ("c", Reason.OVERLOADED)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PromptTooLong("messages", "900 tokens"), Reason.CONTEXT_LENGTH_EXCEEDED),
        (DeadlineExceeded("a", 1.0), Reason.UNHEALTHY),
    ],
    ids=["too long", "late"],
)
async def test_what_another_model_may_do_is_asked_of_it(error, reason):
    """A prompt that does not fit, or a model that is late, goes to the next candidate."""
    asking, _ = dispatcher(a=Script(error), b=Script(LAST))

    answer = await asking.open(decision("a", "b"), chat)

    assert (answer.model, answer.reason) == ("b", reason)


async def test_a_model_that_does_not_begin_is_passed_over():
    """Who has not begun in time is closed, counts as failed, and the next is asked."""
    slow = FakeBackend("a", first_gate=asyncio.Event())
    health = Health(["a", "b"], failures_to_open=1)
    asking = Dispatcher({"a": slow, "b": FakeBackend("b")}, health, lambda: 0.0, 0.01)

    answer = await asking.open(decision("a", "b"), chat)
    await answer.rest.aclose()

    assert (answer.model, answer.reason, slow.open_streams) == ("b", Reason.UNHEALTHY, 0)
    assert health.state("a") is BreakerState.OPEN


async def test_a_model_that_goes_down_is_not_waited_for():
    """A request that waits for a model that is found to be down goes to the next candidate."""
    gone = FakeBackend("a", first_gate=asyncio.Event())
    backends = {"a": gone, "b": FakeBackend("b")}
    asking = Dispatcher(backends, Health(["a", "b"]), lambda: 0.0, 60, lambda model: model == "a")

    async with asyncio.timeout(5):
        answer = await asking.open(decision("a", "b"), chat)
    await answer.rest.aclose()

    assert (answer.model, answer.reason, gone.open_streams) == ("b", Reason.UNHEALTHY, 0)


async def test_the_last_candidate_is_waited_for_though_it_is_down():
    """Where there is nobody else, a model that is down may come back in time."""
    gate = asyncio.Event()
    backends = {"a": FakeBackend("a", first_gate=gate)}
    asking = Dispatcher(backends, Health(["a"]), lambda: 0.0, 60, lambda _: True)
    opening = asyncio.ensure_future(asking.open(decision("a"), chat))
    await asyncio.sleep(0.6)
    gate.set()

    answer = await opening
    await answer.rest.aclose()
    assert answer.model == "a"


async def test_a_client_that_leaves_while_it_waits_frees_the_model():
    """Cancelling a request before its first chunk closes the stream at once."""
    slow = FakeBackend("a", first_gate=asyncio.Event())
    asking = Dispatcher({"a": slow, "b": FakeBackend("b")}, Health(["a", "b"]), lambda: 0.0)
    opening = asyncio.ensure_future(asking.open(decision("a", "b"), chat))
    await asyncio.sleep(0.01)
    opening.cancel()

    with pytest.raises(asyncio.CancelledError):
        await opening
    assert slow.open_streams == 0


async def test_a_bad_prompt_is_raised_at_once():
    """What another model cannot mend ends the walk."""
    error, b = InvalidPrompt("n", "too many"), Script(LAST)
    asking, _ = dispatcher(a=Script(error), b=b)
    with pytest.raises(type(error)) as raised:
        await asking.open(decision("a", "b"), chat)
    assert raised.value is error
    assert b.asked == 0


async def test_the_last_error_is_raised_when_all_fail():
    """When nobody answers, the caller sees the last candidate's error."""
    last = Unavailable("b", "gone")
    asking, _ = dispatcher(a=Script(BUSY), b=Script(last))
    with pytest.raises(Unavailable) as raised:
        await asking.open(decision("a", "b"), chat)
    assert raised.value is last


async def test_an_engine_that_ends_without_a_chunk_is_unavailable():
    """An empty stream counts as a failure, and the next candidate is asked."""
    asking, health = dispatcher(a=Script(), b=Script(LAST))
    answer = await asking.open(decision("a", "b"), chat)
    assert (answer.model, answer.reason) == ("b", Reason.UNHEALTHY)
    assert health.state("a") is BreakerState.OPEN


async def test_a_decision_without_candidates_is_a_fault():
    """Nobody to ask is a programming error, not a model's."""
    asking, _ = dispatcher(a=Script(LAST))
    with pytest.raises(ValueError, match="candidates"):
        await asking.open(decision(), chat)


@pytest.mark.parametrize("error", [BUSY, InvalidPrompt("n", "no")], ids=["busy", "invalid"])
async def test_busy_models_and_bad_prompts_are_not_failures_of_health(error):
    """A full queue or a bad prompt leaves the breaker closed."""
    asking, health = dispatcher(a=Script(error))
    with pytest.raises(type(error)):
        await asking.open(decision("a"), chat)
    assert health.state("a") is BreakerState.CLOSED


@pytest.mark.parametrize("error", [DEAD, DeadlineExceeded("a", 1.0)], ids=["dead", "late"])
async def test_dead_and_late_models_are_failures_of_health(error):
    """Unavailable and late answers count against the model."""
    asking, health = dispatcher(a=Script(error))
    with pytest.raises(type(error)):
        await asking.open(decision("a"), chat)
    assert health.state("a") is BreakerState.OPEN


async def test_a_failure_in_mid_stream_is_recorded_and_raised():
    """After the first chunk nobody takes over: the reader sees the error, health hears it."""
    b = Script(LAST)
    asking, health = dispatcher(a=Script(Chunk(b"x"), DEAD), b=b)
    answer = await asking.open(decision("a", "b"), chat)
    with pytest.raises(Unavailable):
        await texts(answer.rest)
    assert health.state("a") is BreakerState.OPEN
    assert b.asked == 0


@pytest.mark.parametrize("steps", [(LAST,), (Chunk(b"x"), LAST)], ids=["one chunk", "two chunks"])
async def test_a_finished_answer_is_recorded_as_a_success(steps):
    """An answer that reached its end closes an open breaker."""
    asking, health = dispatcher(a=Script(*steps))
    health.record("a", False, 0.0)
    answer = await asking.open(decision("a"), chat)
    await texts(answer.rest)
    assert health.state("a") is BreakerState.CLOSED


async def test_an_answer_that_dies_each_time_in_mid_stream_opens_the_breaker():
    """First chunks alone do not count as successes."""
    backends = {"a": Script(Chunk(b"x"), DEAD)}
    health = Health(backends, failures_to_open=3)
    asking = Dispatcher(backends, health, lambda: 0.0)
    for _ in range(3):
        answer = await asking.open(decision("a"), chat)
        with pytest.raises(Unavailable):
            await texts(answer.rest)
    assert health.state("a") is BreakerState.OPEN


async def test_an_answer_that_stops_without_its_last_chunk_is_a_failure():
    """A piece of an answer must not look whole: the reader gets an error, and health hears it."""
    asking, health = dispatcher(a=Script(Chunk(b"x"), Chunk(b"y")))
    answer = await asking.open(decision("a"), chat)
    with pytest.raises(Unavailable):
        await texts(answer.rest)
    assert health.state("a") is BreakerState.OPEN


async def test_an_answer_that_its_client_left_says_nothing_about_health():
    """Closing early is no failure, also for who goes on reading."""
    asking, health = dispatcher(a=Script(Chunk(b"x"), Chunk(b"y"), LAST))
    answer = await asking.open(decision("a"), chat)
    await answer.rest.aclose()
    assert await texts(answer.rest) == []
    assert health.state("a") is BreakerState.CLOSED


@pytest.mark.parametrize("read", [0, 1], ids=["unread", "half read"])
async def test_leaving_early_stops_the_generation(read):
    """Closing the rest, read or not, ends the backend's stream where it stands."""
    a = Script(Chunk(b"x"), Chunk(b"y"), Chunk(b"z"), LAST)
    asking, _ = dispatcher(a=a)
    answer = await asking.open(decision("a"), chat)
    for _ in range(read):
        await anext(answer.rest)
    await answer.rest.aclose()
    assert (a.yielded, a.stopped) == (1 + read, 1)


async def test_a_client_that_leaves_before_the_first_chunk_stops_the_generation():
    """Cancelling while the model still thinks ends its stream, and is nobody's failure."""
    thinking, stopped = asyncio.Event(), asyncio.Event()

    class Slow(Script):
        async def stream(self, request):
            try:
                thinking.set()
                await asyncio.sleep(60)
                yield LAST
            finally:
                stopped.set()

    asking, health = dispatcher(a=Slow())
    task = asyncio.create_task(asking.open(decision("a"), chat))
    await thinking.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()
    assert health.state("a") is BreakerState.CLOSED


async def test_the_stream_of_a_failed_candidate_is_closed_before_the_next_is_asked():
    """No generation is left behind on the way to the answer."""
    a = Script(BUSY)
    asking, _ = dispatcher(a=a, b=Script(LAST))
    await asking.open(decision("a", "b"), chat)
    assert a.stopped == 1


async def test_a_whole_answer_comes_from_the_first_candidate_that_gives_one():
    """It is asked for whole; the reason and the attempts are as for a stream."""
    a, b = FakeBackend("a", refusal=BUSY), FakeBackend("b")
    asking, _ = dispatcher(a=a, b=b)
    answer = await asking.complete(decision("a", "b"), chat)
    assert (answer.model, answer.reason) == ("b", Reason.OVERLOADED)
    assert [(attempt.model, attempt.error) for attempt in answer.attempts] == [
        ("a", BUSY),
        ("b", None),
    ]
    assert b'"Hello, world"' in answer.first.data
    assert [request.model for request in b.requests] == ["b"]


async def test_whole_answers_and_failures_are_recorded():
    """As the ends of streams are."""
    dead = dispatcher(a=FakeBackend("a", refusal=DEAD))
    with pytest.raises(Unavailable):
        await dead[0].complete(decision("a"), chat)
    assert dead[1].state("a") is BreakerState.OPEN
    well, health = dispatcher(a=FakeBackend("a"))
    health.record("a", False, 0.0)
    await well.complete(decision("a"), chat)
    assert health.state("a") is BreakerState.CLOSED


async def test_a_whole_answer_is_not_awaited_from_a_model_that_goes_down():
    """The next candidate is asked, and the generation is stopped."""
    gone = FakeBackend("a", first_gate=asyncio.Event())
    backends = {"a": gone, "b": FakeBackend("b")}
    asking = Dispatcher(backends, Health(["a", "b"]), lambda: 0.0, 60, lambda model: model == "a")
    async with asyncio.timeout(5):
        answer = await asking.complete(decision("a", "b"), chat)
    assert (answer.model, answer.reason, gone.open_streams) == ("b", Reason.UNHEALTHY, 0)


async def test_a_model_that_gives_no_sign_of_life_is_given_up():
    """Silence past the first-token limit is asked about; an ill model's answer is not awaited."""
    silent = FakeBackend("a", first_gate=asyncio.Event(), illness="hung")
    asking = Dispatcher({"a": silent}, Health(["a"]), lambda: 0.0, 0.01)
    with pytest.raises(Unavailable):
        await asking.complete(decision("a"), chat)
    assert silent.open_streams == 0


async def test_a_slow_model_that_lives_is_awaited():
    """A long answer may take many times the first-token limit."""
    gate = asyncio.Event()
    asking = Dispatcher({"a": FakeBackend("a", gate=gate)}, Health(["a"]), lambda: 0.0, 0.01)
    answering = asyncio.ensure_future(asking.complete(decision("a"), chat))
    await asyncio.sleep(0.05)
    assert not answering.done()
    gate.set()
    assert (await answering).model == "a"


async def test_a_client_that_leaves_stops_a_whole_answer():
    """Nothing goes on generating, and it is nobody's failure."""
    slow = FakeBackend("a", gate=asyncio.Event())
    asking, health = dispatcher(a=slow)
    answering = asyncio.ensure_future(asking.complete(decision("a"), chat))
    await asyncio.sleep(0.01)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert slow.open_streams == 0
    assert health.state("a") is BreakerState.CLOSED


async def test_a_stream_that_stops_between_two_chunks_ends_with_an_error():
    """A model that hangs in the middle is a failure, and its generation is stopped."""
    hung = FakeBackend("a", gate=asyncio.Event())
    health = Health(["a"], failures_to_open=1)
    asking = Dispatcher({"a": hung}, health, lambda: 0.0, 60, gap_seconds=0.01)
    answer = await asking.open(decision("a"), chat)
    with pytest.raises(DeadlineExceeded) as raised:
        await texts(answer.rest)
    assert (raised.value.model, raised.value.seconds) == ("a", 0.01)
    assert health.state("a") is BreakerState.OPEN
    assert hung.open_streams == 0


async def test_a_model_has_a_limit_of_its_own_for_its_first_token():
    """One that thinks longer than others is awaited longer."""
    gate = asyncio.Event()
    asking = Dispatcher({"a": FakeBackend("a", first_gate=gate)}, Health(["a"]), lambda: 0.0, 0.01)
    patient = replace(chat("a"), first_token_seconds=60.0)
    opening = asyncio.ensure_future(asking.open(decision("a"), lambda _: patient))
    await asyncio.sleep(0.05)
    gate.set()
    assert (await opening).model == "a"


async def test_a_silent_whole_answer_is_left_for_the_next_candidate():
    """Also where the model is not yet known to be down."""
    silent = FakeBackend("a", first_gate=asyncio.Event(), illness="hung")
    asking = Dispatcher({"a": silent, "b": FakeBackend("b")}, Health(["a", "b"]), lambda: 0.0, 0.01)
    answer = await asking.complete(decision("a", "b"), chat)
    assert (answer.model, answer.reason, silent.open_streams) == ("b", Reason.UNHEALTHY, 0)


async def test_signs_of_life_are_not_sent():
    """A model that thinks aloud to nobody is awaited, and the client sees what it says."""
    sign = Chunk(b"", output=False)
    asking, _ = dispatcher(a=Script(sign, sign, Chunk(b"x"), sign, LAST))
    answer = await asking.open(decision("a"), chat)
    assert answer.first.data == b"x"
    assert await texts(answer.rest) == [b"!"]
