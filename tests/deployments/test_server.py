"""One replica: it loads its engine once, and passes on what its models are asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployments.engine import EngineContext
from deployments.frames import decode_chunk, encode_request
from deployments.models.errors import ModelError, UnusableModels
from deployments.protocol import Chunk, InvalidPrompt, ModelRequest, Unavailable
from deployments.server import ModelServer
from deployments.spec import ModelSpec
from tests.deployments.tiny_gguf import save_tiny_gguf
from tests.deployments.tiny_lora import save_lora
from tests.model_requests import chat, text_of

CONTEXT = EngineContext(Path("unused"))
ASKED = chat(max_tokens=4, temperature=0)
BROKEN = replace(ASKED, body=b"no JSON")  # the edge lets none through: an engine may fail over it


def fake_spec(name: str, **options: object) -> ModelSpec:
    return ModelSpec(name=name, model="none", engine="fake", engine_options=options)


def fake(**options: object) -> ModelServer:
    return ModelServer([fake_spec("tiny", **options)], CONTEXT)


def pool_of(*names: str) -> ModelServer:
    return ModelServer([fake_spec(name, reply="{model} is here") for name in names], CONTEXT)


@asynccontextmanager
async def real(
    file: Path, context: EngineContext = CONTEXT, **adapters: str
) -> AsyncIterator[ModelServer]:
    """A server of a model with weights, and of some with adapters of it; its threads end with the
    block."""
    options = {"max_context_tokens": 128, "parallel_requests": 2}
    spec = ModelSpec(name="tiny", model=str(file), engine_options=options)
    adapted = [
        spec.model_copy(update={"name": name, "adapter": adapter})
        for name, adapter in adapters.items()
    ]
    server = ModelServer([spec, *adapted], context)
    try:
        yield server
    finally:
        await server._engine.stop()  # Serve ends the process instead


async def collect(server: ModelServer, asked: ModelRequest = ASKED) -> list[Chunk]:
    return [chunk async for chunk in server.stream(asked)]


async def test_an_answer_is_the_engines() -> None:
    """Chunks, whole answer, record and card are those of the engine that the spec names."""
    server = fake(reply="{model} heard {message}")
    await server.check_health()

    assert text_of(await collect(server)) == "tiny heard hello"
    assert text_of([await server.complete(ASKED)]) == "tiny heard hello"
    assert (await server.load("tiny")).completed == 2
    assert [card.engine for card in await server.cards()] == ["fake"]


async def test_a_request_is_answered_by_the_model_that_it_names() -> None:
    """Each model of a pool has its own answer, record and card."""
    server = pool_of("sql", "math")
    await server.check_health()

    answers = [text_of(await collect(server, chat(model=name))) for name in ("math", "sql")]

    assert answers == ["math is here", "sql is here"]
    assert [(await server.load(name)).completed for name in ("sql", "math")] == [1, 1]
    assert [card.name for card in await server.cards()] == ["sql", "math"]


async def test_one_model_of_a_pool_may_be_unhealthy() -> None:
    """The others answer on."""
    specs = [fake_spec("sql", unavailable_after=0), fake_spec("math")]
    server = ModelServer(specs, CONTEXT)
    await server.check_health()

    with pytest.raises(Unavailable):
        await server.health("sql")
    await server.health("math")


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
async def test_a_model_that_the_replica_does_not_have_is_unavailable(whole: bool) -> None:
    """A gateway may know of one that joined the pool before the replica does."""
    server, asked = pool_of("sql", "math"), chat(model="new")

    with pytest.raises(Unavailable) as raised:
        await (server.complete(asked) if whole else collect(server, asked))
    with pytest.raises(Unavailable):
        await server.health("new")
    assert raised.value.model == "new"


async def test_an_engine_that_cannot_answer_is_unhealthy_and_left_alive() -> None:
    """Serve restarts a replica whose check raises: it does so only where a restart is a cure."""
    server = fake(unavailable_after=1)
    await server.check_health()
    await collect(server)

    with pytest.raises(Unavailable):
        await server.health("tiny")
    await server.check_health()


async def test_a_dead_engine_fails_the_check(tmp_path: Path) -> None:
    """An engine that has lost its model comes back with a restart alone."""
    async with real(save_tiny_gguf(tmp_path / "tiny.gguf")) as server:
        await server.check_health()
        await server._engine.stop()  # nothing public can take the model away

        with pytest.raises(Unavailable):
            await server.check_health()


async def test_leaving_early_ends_the_engines_work() -> None:
    """Closing the answer closes the engine's stream at once."""
    server = fake(token_seconds=10, reply="one two three")
    await server.check_health()
    stream = server.stream(ASKED)
    await anext(stream)

    await stream.aclose()

    load = await server.load("tiny")
    assert (load.running, load.cancelled) == (0, 1)


async def test_a_cancelled_call_ends_the_engines_work() -> None:
    """Cancelling a whole answer cancels the engine's at once."""
    server = fake(first_token_seconds=10)
    await server.check_health()
    asked = asyncio.create_task(server.complete_frame(encode_request(ASKED)))
    await asyncio.sleep(0.01)

    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked

    load = await server.load("tiny")
    assert (load.running, load.cancelled) == (0, 1)


async def test_serve_carries_frames() -> None:
    """What Serve passes on are bytes that hold the request and the chunks."""
    server = fake(reply="a b")
    await server.check_health()
    asked = encode_request(ASKED)

    frames = [frame async for frame in server.stream_frames(asked)]

    assert [decode_chunk(frame) for frame in frames] == await collect(server)
    assert decode_chunk(await server.complete_frame(asked)) == await server.complete(ASKED)


async def test_leaving_the_frames_early_ends_the_engines_work() -> None:
    """As leaving the chunks does."""
    server = fake(token_seconds=10, reply="one two three")
    await server.check_health()
    frames = server.stream_frames(encode_request(ASKED))
    await anext(frames)

    await frames.aclose()

    load = await server.load("tiny")
    assert (load.running, load.cancelled) == (0, 1)


async def test_a_wrong_option_is_found_when_the_replica_is_made() -> None:
    """Nothing is loaded to find that an option does not exist."""
    with pytest.raises(ValueError, match=r"engine_options\.colour"):
        fake(colour="red")


async def test_weights_are_loaded_by_the_first_check_and_never_again(tmp_path: Path) -> None:
    """Before it the model cannot answer; after it the files are needed no more."""
    file = save_tiny_gguf(tmp_path / "tiny.gguf")
    async with real(file) as server:
        with pytest.raises(Unavailable, match="not loaded"):
            await collect(server)

        await asyncio.gather(*(server.check_health() for _ in range(3)))
        file.unlink()
        await server.check_health()

        assert sum(chunk.tokens for chunk in await collect(server)) == 4


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
async def test_a_fault_of_the_engine_is_unavailable(
    caplog: pytest.LogCaptureFixture, whole: bool
) -> None:
    """An error whose class the caller may not know arrives as one that it does, and is logged."""
    server = fake()

    with pytest.raises(Unavailable) as raised:
        await (server.complete(BROKEN) if whole else collect(server, BROKEN))

    assert (raised.value.model, raised.value.__cause__) == ("tiny", None)
    [record] = caplog.records
    assert record.fields == {"request_id": "r1", "model": "tiny"}
    assert record.exc_info


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
async def test_a_refusal_of_the_engine_stays_what_it_is(whole: bool) -> None:
    """The caller knows it and may handle it."""
    server, asked = fake(), chat(tools=["a"])

    with pytest.raises(InvalidPrompt):
        await (server.complete(asked) if whole else collect(server, asked))


def wanted(*specs: ModelSpec) -> dict[str, Any]:
    return {"models": [spec.model_dump(mode="json") for spec in specs]}


async def test_a_replica_comes_to_other_models_while_it_answers() -> None:
    """New ones answer, those that left no more; what is under way ends, and records go on."""
    stays, leaves = fake_spec("stays"), fake_spec("leaves", reply="one two three")
    server = ModelServer([stays, leaves], CONTEXT)
    await server.check_health()
    await collect(server, chat(model="stays"))
    stream = server.stream(chat(model="leaves"))
    begun = [await anext(stream)]

    await server.reconfigure(wanted(stays, fake_spec("comes", reply="here")))

    assert await server.confirm() is None
    assert text_of([*begun, *[chunk async for chunk in stream]]) == "one two three"
    assert text_of(await collect(server, chat(model="comes"))) == "here"
    assert (await server.load("stays")).completed == 1
    with pytest.raises(Unavailable):
        await server.complete(chat(model="leaves"))
    assert set((await server.report()).models) == {"stays", "comes"}


async def test_a_report_leaves_out_a_model_that_leaves_meanwhile() -> None:
    """The others are as well as before."""
    stays, leaves = fake_spec("stays"), fake_spec("a-leaves")
    server = ModelServer([stays, leaves], CONTEXT)
    await server.check_health()

    report, _ = await asyncio.gather(server.report(), server.reconfigure(wanted(stays)))

    assert report.models == {"stays": None}


async def test_models_that_cannot_be_served_are_told_to_who_asks() -> None:
    """A replica that runs keeps those that it has, until it is told others."""
    server = fake(reply="here")
    await server.check_health()
    assert await server.confirm() is None

    await server.reconfigure(wanted(fake_spec("tiny", colour="red"), fake_spec("more")))

    assert "engine_options.colour" in (await server.confirm() or "")
    assert (await server.report()).models == {"tiny": None}
    assert text_of(await collect(server)) == "here"

    await server.reconfigure(wanted(fake_spec("tiny"), fake_spec("more")))
    assert await server.confirm() is None
    assert await collect(server, chat(model="more"))


@pytest.mark.parametrize("told", [False, True], ids=["at first", "told by Serve"])
async def test_a_model_that_cannot_be_served_leaves_the_others(told: bool) -> None:
    """It is missing, and the report says why."""
    wrong, right = fake_spec("wrong", colour="red"), fake_spec("right", reply="here")
    server = fake() if told else ModelServer([wrong, right], CONTEXT)
    if told:
        await server.reconfigure(wanted(wrong, right))
    await server.check_health()

    reasons = (await server.report()).models

    assert reasons["right"] is None
    assert "engine_options.colour" in (reasons["wrong"] or "")
    assert text_of(await collect(server, chat(model="right"))) == "here"
    with pytest.raises(Unavailable, match="colour"):
        await server.complete(chat(model="wrong"))


async def test_adapters_that_cannot_be_used_leave_the_others(tmp_path: Path) -> None:
    """The pool is loaded without them; the report says why."""
    base = save_tiny_gguf(tmp_path / "tiny.gguf")
    adapters = {
        "right": save_lora(tmp_path / "right", base),
        "lost": Path("nowhere"),
        "strange": save_lora(tmp_path / "strange", base, config={"use_dora": True}),
        "wide": save_lora(tmp_path / "wide", base, width=48),
    }
    given = {name: str(folder) for name, folder in adapters.items()}
    async with real(base, EngineContext(tmp_path), **given) as server:
        await server.check_health()

        reasons = (await server.report()).models
        assert (reasons["tiny"], reasons["right"]) == (None, None)
        assert "nowhere" in (reasons["lost"] or "")
        assert "use_dora" in (reasons["strange"] or "")
        assert "another base" in (reasons["wide"] or "")
        assert await collect(server, chat(model="right", max_tokens=4))


async def test_a_pool_of_unusable_adapters_does_not_start(tmp_path: Path) -> None:
    """There is nothing that it could serve."""
    base = save_tiny_gguf(tmp_path / "tiny.gguf")
    spec = ModelSpec(name="lost", model=str(base), adapter="nowhere")
    with pytest.raises(UnusableModels, match="nowhere"):
        await ModelServer([spec], CONTEXT).check_health()


async def test_a_replica_that_starts_has_the_models_that_are_wanted_now() -> None:
    """Not those of the time when its pool was deployed; wrong ones keep it from starting."""
    server = fake()
    with pytest.raises(ValueError, match=r"engine_options\.colour"):
        await server.reconfigure(wanted(fake_spec("tiny", colour="red")))

    await server.reconfigure(wanted(fake_spec("later")))
    await server.check_health()

    assert [card.name for card in await server.cards()] == ["later"]


async def test_a_start_that_failed_is_tried_again(tmp_path: Path) -> None:
    """A replica whose files come late is ready at a later check."""
    file = tmp_path / "tiny.gguf"
    async with real(file) as server:
        with pytest.raises(ModelError):
            await server.check_health()

        save_tiny_gguf(file)
        await server.check_health()

        assert await collect(server)
