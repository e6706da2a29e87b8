"""A deployment on Serve as a `Backend`, over a handle that behaves as Serve's does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    RaySystemError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    ReplicaUnavailableError,
    RequestCancelledError,
)

from deployments.frames import decode_request
from deployments.handle import ServeBackend
from deployments.limiter import Limiter
from deployments.prompt_room import Measures, PromptRoom
from deployments.protocol import (
    STARTING,
    BackendError,
    Chunk,
    DeadlineExceeded,
    EngineStats,
    InvalidPrompt,
    Load,
    ModelCard,
    Overloaded,
    Unavailable,
)
from deployments.server import ReplicaReport
from deployments.spec import Limits, ModelSpec
from tests.deployments.handles import ILL, OTHER, SQL, WELL, Handle, Response
from tests.model_requests import chat

ASKED = chat(model="sql")
CARDS = (ModelCard("sql", "fake", "tiny"),)
HELLO, WORLD = Chunk(b'"hello"', tokens=1), Chunk(b'"world"', finish_reasons=((0, "stop"),))


def task_error(cause: Exception) -> Exception:
    """What actor calls raise: an error of Ray's that is also one of the cause's class."""
    return RayTaskError("stream", "traceback", cause, ip="127.0.0.1").as_instanceof_cause()


def finding(look: Callable[[], Any]) -> ServeBackend:
    return ServeBackend("sql", look)


def backend(result: Any) -> ServeBackend:
    handle = Handle(result)
    return finding(lambda: handle)


def replicas(*verdicts: Any, may_sleep: bool = False) -> ServeBackend:
    """A backend whose replicas give these verdicts on their health."""
    handle = Handle(None, verdicts)
    return ServeBackend("sql", lambda: handle, may_sleep=may_sleep)


async def collect(asked: ServeBackend) -> list[Chunk]:
    return [chunk async for chunk in asked.stream(ASKED)]


async def complete(asked: ServeBackend) -> list[Chunk]:
    return [await asked.complete(ASKED)]


Ask = Callable[[ServeBackend], Awaitable[list[Chunk]]]
EITHER = pytest.mark.parametrize("ask", [collect, complete], ids=["streamed", "whole"])


async def test_an_answer_comes_as_the_replica_gives_it() -> None:
    """The request goes to a streaming call as bytes, and its chunks come back in order."""
    handle = Handle(Response(HELLO, WORLD))

    assert await collect(finding(lambda: handle)) == [HELLO, WORLD]
    assert handle.called == ("stream_frames", True)
    assert [decode_request(frame) for frame in handle.calls] == [ASKED]


async def test_a_whole_answer_is_one_call() -> None:
    """The request goes to a call that does not stream, and comes back as one chunk."""
    handle = Handle(Response(WORLD))

    assert await finding(lambda: handle).complete(ASKED) == WORLD
    assert handle.called == ("complete_frame", False)
    assert [decode_request(frame) for frame in handle.calls] == [ASKED]


@EITHER
async def test_a_finished_answer_is_not_cancelled(ask: Ask) -> None:
    """Nothing is left to cancel after the last chunk."""
    response = Response(HELLO, WORLD)

    await ask(backend(response))

    assert response.cancelled == 0


async def test_leaving_early_cancels_the_request() -> None:
    """Closing the stream between two chunks tells the replica."""
    response = Response(HELLO, WORLD)
    stream = backend(response).stream(ASKED)

    await anext(stream)
    await stream.aclose()

    assert response.cancelled == 1


@EITHER
async def test_a_cancelled_reader_cancels_the_request(ask: Ask) -> None:
    """A task that is cancelled while it waits tells the replica."""
    response = Response(asyncio.Event(), WORLD)
    reading = asyncio.create_task(ask(backend(response)))
    await asyncio.sleep(0.01)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert response.cancelled == 1


async def test_chunks_before_a_failure_are_kept() -> None:
    """A replica that dies while it answers ends the stream with an error after its last chunk."""
    stream = backend(Response(HELLO, ActorDiedError())).stream(ASKED)

    assert await anext(stream) == HELLO
    with pytest.raises(Unavailable):
        await anext(stream)


UNAVAILABLE = {
    "a dead replica": ActorDiedError(),
    "a replica out of reach": ActorUnavailableError("out of reach", b"0" * 16),
    "a deployment that failed": DeploymentUnavailableError(SQL),
    "a replica that went": ReplicaUnavailableError("sql#1"),
    "no such application": RayServeException("Application 'model-sql' does not exist."),
    "a crashed worker": WorkerCrashedError(),
    "a system error": RaySystemError("plasma"),
    "a call that timed out": GetTimeoutError("late"),
    "a call that Ray cancelled": TaskCancelledError(),
    "a request that Serve cancelled": RequestCancelledError("r1"),
    "a fault in the engine": task_error(KeyError("weights")),
    "a fault that cannot be subclassed": RayTaskError("f", "t", StopIteration(), ip="127.0.0.1"),
}
OWN = {
    "invalid": InvalidPrompt("max_tokens", "too many"),
    "overloaded": Overloaded("sql", 3, 2.5),
    "unavailable": Unavailable("sql", "the generation thread died"),
    "late": DeadlineExceeded("sql", 30.0),
}


@EITHER
@pytest.mark.parametrize("error", UNAVAILABLE.values(), ids=UNAVAILABLE.keys())
async def test_what_ray_raises_is_unavailable(error: Exception, ask: Ask) -> None:
    """Every failure of Ray's becomes `Unavailable` with the model's name, and keeps its cause."""
    with pytest.raises(Unavailable) as raised:
        await ask(backend(Response(error)))

    assert raised.value.model == "sql"
    assert raised.value.reason
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", UNAVAILABLE.values(), ids=UNAVAILABLE.keys())
async def test_what_ray_raises_makes_the_model_unhealthy(error: Exception) -> None:
    """A check that cannot be made is a check that failed."""
    with pytest.raises(Unavailable):
        await replicas(error).health("sql")


@EITHER
async def test_backpressure_is_overloaded(ask: Ask) -> None:
    """A full queue is told with its length and a time to wait."""
    with pytest.raises(Overloaded) as raised:
        await ask(backend(Response(BackPressureError(17, 16))))

    assert (raised.value.model, raised.value.queued) == ("sql", 17)
    assert raised.value.retry_after_seconds > 0


@EITHER
@pytest.mark.parametrize("arrives", [lambda error: error, task_error], ids=["bare", "wrapped"])
@pytest.mark.parametrize("error", OWN.values(), ids=OWN.keys())
async def test_the_engines_own_errors_arrive_as_they_are(
    error: BackendError, arrives: Callable[[BackendError], Exception], ask: Ask
) -> None:
    """A `BackendError` of the replica keeps its class and facts, whatever carried it."""
    with pytest.raises(type(error)) as raised:
        await ask(backend(Response(arrives(error))))

    assert type(raised.value) is type(error)
    assert raised.value.args == error.args


async def test_a_fault_of_the_caller_is_not_translated() -> None:
    """What is no error of Ray's or a model's is a bug, and stays visible as itself."""
    with pytest.raises(ZeroDivisionError):
        await collect(backend(Response(ZeroDivisionError())))


@pytest.mark.parametrize(
    "verdicts",
    [
        pytest.param([WELL], id="the-only-one"),
        pytest.param([ILL, WELL, ActorDiedError()], id="one-of-three"),
        pytest.param([OTHER, WELL], id="one-that-serves-it"),
        pytest.param([BackPressureError(17, 16)], id="a-full-queue"),
        pytest.param([WELL, asyncio.Event()], id="silence"),
    ],
)
async def test_one_replica_that_can_answer_is_enough(verdicts: list[Any]) -> None:
    """A model is healthy if any replica is; a busy one is, since who has much to do is not ill."""
    async with asyncio.timeout(10):
        await replicas(*verdicts).health("sql")


async def test_a_model_is_ill_when_all_its_replicas_are() -> None:
    """The first replica says why."""
    with pytest.raises(Unavailable, match="no weights"):
        await replicas(ILL, ActorDiedError()).health("sql")
    with pytest.raises(Unavailable, match="not serve"):
        await replicas(OTHER).health("sql")


async def test_the_models_of_a_pool_share_a_question() -> None:
    """Checks at a time ask each replica once; a later one asks anew."""
    handle = Handle(None, [ReplicaReport({"sql": None, "math": None})])
    asked = finding(lambda: handle)

    await asyncio.gather(asked.health("sql"), asked.health("math"))
    assert handle.broadcasts == 1
    await asked.health("sql")
    assert handle.broadcasts == 2


async def test_what_engines_tell_comes_with_their_health() -> None:
    """Of each replica that tells something, and only what it told last."""
    told = EngineStats(kv_cache_usage_ratio=0.5)
    handle = Handle(None, [ReplicaReport({"sql": None}, engine=told), WELL, Unavailable("sql", "")])
    asked = finding(lambda: handle)
    await asked.health("sql")
    assert asked.engine_stats == (told,)

    handle.verdicts = [WELL]
    await asked.health("sql")
    assert asked.engine_stats == ()


WIDE, NARROW = (PromptRoom(tokens, Measures(8, 8)) for tokens in (200, 100))


@pytest.mark.parametrize(
    ("told", "known"),
    [
        pytest.param([NARROW, WIDE], WIDE, id="the widest"),
        pytest.param([NARROW, None], None, id="one does not tell"),
        pytest.param([], None, id="no replica"),
    ],
)
async def test_replicas_tell_which_prompts_have_no_room(told: list[Any], known: Any) -> None:
    """None is refused that one of them might take."""
    handle = Handle(
        None, [*(ReplicaReport({"sql": None}, room=of) for of in told), ActorDiedError()]
    )
    asked = finding(lambda: handle)
    with suppress(Unavailable):
        await asked.health("sql")

    assert asked.room == known


def loaded(running: int, slots: int | None = 2) -> ReplicaReport:
    """A replica with so many requests."""
    return ReplicaReport({"sql": None}, running={"sql": running}, slots=slots)


@pytest.mark.parametrize(
    ("reports", "waits"),
    [
        pytest.param([loaded(1), loaded(2)], False, id="a slot is free"),
        pytest.param([loaded(2), loaded(2)], True, id="no slot is free"),
        pytest.param([loaded(4)], True, id="one replica"),
        pytest.param([loaded(3), loaded(0)], False, id="a slot of another replica is free"),
        pytest.param([loaded(9, None), loaded(9)], False, id="one that says no number"),
    ],
)
async def test_what_replicas_have_comes_with_their_health(
    reports: list[ReplicaReport], waits: bool
) -> None:
    """So that requests of other gateways count in the expected wait."""
    limiter = Limiter([ModelSpec(name="sql", model="m", engine="fake")])
    asked = ServeBackend("sql", lambda: Handle(None, reports), limiter=limiter)
    assert asked.expected_wait("sql") == 0.0

    await asked.health("sql")

    assert (asked.expected_wait("sql") > 0) is waits


async def test_while_no_replica_tells_anything_the_last_word_holds() -> None:
    """They may be busy."""
    handle = Handle(None, [loaded(9)])
    limiter = Limiter([ModelSpec(name="sql", model="m", engine="fake")])
    asked = ServeBackend("sql", lambda: handle, limiter=limiter)
    await asked.health("sql")

    handle.verdicts = [Unavailable("sql", "gone")]
    with pytest.raises(Unavailable):
        await asked.health("sql")

    assert asked.expected_wait("sql") > 0


async def test_a_model_without_replicas_is_ill() -> None:
    """Serve says at once that there is none."""
    with pytest.raises(Unavailable, match=STARTING):
        await replicas().health("sql")


async def test_a_sleeping_model_is_healthy() -> None:
    """A model that scales to zero needs no replica until somebody asks it."""
    await replicas(may_sleep=True).health("sql")


@pytest.mark.parametrize(
    "error",
    [
        KeyError("Deployment(name='sql', app='model-sql') does not exist."),
        RayServeException("There is no Serve instance running."),
    ],
    ids=["no-deployment", "no-serve"],
)
async def test_a_model_that_is_not_deployed_is_unavailable(error: Exception) -> None:
    """Its health, also if it may sleep, and its answers."""

    def look() -> Any:
        raise error

    asked = ServeBackend("sql", look, may_sleep=True)

    with pytest.raises(Unavailable, match="not deployed"):
        await asked.health("sql")
    with pytest.raises(Unavailable, match="not deployed"):
        await collect(asked)


async def test_load_and_card_are_the_replicas_own() -> None:
    """The record and the card come back as they are."""
    assert await backend(Load(running=3)).load("sql") == Load(running=3)
    assert await backend(CARDS).cards() == CARDS


async def test_a_missing_application_is_looked_up_again() -> None:
    """A gateway may start before its models: the next request looks for the application anew."""
    found = [RayServeException("no application 'model-sql'"), Handle(CARDS)]

    def look() -> Any:
        result = found.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    asked = finding(look)

    with pytest.raises(Unavailable):
        await asked.cards()
    assert await asked.cards() == CARDS


async def test_an_application_that_went_is_looked_up_again() -> None:
    """A handle whose application was deleted is dropped; the one that is found next is used."""
    gone = Handle(RayServeException("deleted"))
    handles = [gone, Handle(CARDS)]
    asked = finding(lambda: handles.pop(0))

    with pytest.raises(Unavailable):
        await asked.cards()
    assert await asked.cards() == CARDS


@pytest.mark.parametrize("result", [CARDS, ActorDiedError(), BackPressureError(17, 16)])
async def test_a_handle_is_kept_while_its_application_lives(result: Any) -> None:
    """Serve replaces replicas behind a handle: neither success nor a death looks it up again."""
    looked = []
    handle = Handle(result)
    asked = finding(lambda: looked.append(1) or handle)

    for _ in range(3):
        await asyncio.gather(asked.cards(), return_exceptions=True)

    assert len(looked) == 1


class Replica:
    """A handle whose replica answers when its gate opens."""

    def __init__(self) -> None:
        self.gate, self.running = asyncio.Event(), list[str]()

    def options(self, **_settings: Any) -> "Replica":
        return self

    def remote(self, frame: bytes) -> Response:
        self.running.append(decode_request(frame).model)
        return Response(self.gate, WORLD)


def shared(replica: Replica, **limits: int) -> ServeBackend:
    """A backend of `sql`, with these limits, and of `math`, which share a deployment."""
    specs = [
        ModelSpec(name="sql", model="m", engine="fake", limits=Limits(**limits)),
        ModelSpec(name="math", model="m", engine="fake"),
    ]
    return ServeBackend("m", lambda: replica, limiter=Limiter(specs))


async def started(*requests: Awaitable[Any]) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.ensure_future(request) for request in requests]
    for _ in range(20):
        await asyncio.sleep(0)
    return tasks


@EITHER
async def test_the_full_queue_of_a_model_is_its_own(ask: Ask) -> None:
    """Models of a deployment have limits each: what waits for one does not keep others out."""
    replica = Replica()
    asked = shared(replica, max_ongoing_requests=1, max_queued_requests=1)
    tasks = await started(ask(asked), ask(asked))

    with pytest.raises(Overloaded) as refused:
        await ask(asked)
    [other] = await started(asked.complete(chat(model="math")))

    assert (refused.value.model, refused.value.queued) == ("sql", 1)
    assert replica.running == ["sql", "math"]
    replica.gate.set()
    await asyncio.gather(*tasks, other)
    assert replica.running == ["sql", "math", "sql"]


@EITHER
async def test_leaving_early_frees_the_slot_of_the_model(ask: Ask) -> None:
    """The next request of the model is sent at once."""
    replica = Replica()
    asked = shared(replica, max_ongoing_requests=1, max_queued_requests=1)
    first, second = await started(ask(asked), ask(asked))

    first.cancel()
    replica.gate.set()

    assert await second == [WORLD]


@EITHER
async def test_an_error_names_the_model_that_was_asked(ask: Ask) -> None:
    """And not the deployment that it shares."""
    asked = ServeBackend("m", lambda: Handle(Response(ActorDiedError())))

    with pytest.raises(Unavailable) as raised:
        await ask(asked)

    assert raised.value.model == "sql"
