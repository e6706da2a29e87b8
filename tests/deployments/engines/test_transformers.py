"""The transformers engine on a tiny random model: batching, sampling, stopping, and its limits."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deployments.engine import EngineContext, create_engine, parse_options
from deployments.engines._options import Options
from deployments.engines.transformers import TransformersEngine
from deployments.generation import Piece, Prompt, Sampling
from deployments.protocol import DeadlineExceeded, InvalidPrompt, Message, Unavailable
from deployments.spec import ModelSpec
from tests import model_requests
from tests.deployments.tiny_model import save_tiny_model

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine serves the module's tests

OPTIONS = {"max_context_tokens": 256, "cache_tokens": 2048, "max_batch_requests": 8}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


def make_spec(model_dir: Path, **options: object) -> ModelSpec:
    return ModelSpec(name="tiny", model=str(model_dir), engine_options=OPTIONS | options)


def engine_of(spec: ModelSpec) -> TransformersEngine:
    return TransformersEngine(spec, parse_options(Options, spec), EngineContext(Path("unused")))


def make_engine(model_dir: Path, **options: object) -> TransformersEngine:
    return engine_of(make_spec(model_dir, **options))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model_dir: Path) -> AsyncIterator[TransformersEngine]:
    engine = make_engine(model_dir)
    await engine.start()
    yield engine
    await engine.stop()


def chat(text: str, deadline_seconds: float | None = None, **sampling: object) -> Prompt:
    settings = {"max_tokens": 24, "temperature": 0.0} | sampling
    return Prompt(
        "req",
        messages=(Message("user", text),),
        sampling=Sampling(**settings),
        deadline_seconds=deadline_seconds,
    )


async def collect(engine: TransformersEngine, prompt: Prompt) -> list[Piece]:
    return [piece async for piece in engine.generate(prompt)]


async def answer(engine: TransformersEngine, prompt: Prompt) -> str:
    return "".join(piece.text for piece in await collect(engine, prompt))


async def test_the_engine_that_a_spec_names_answers_requests(model_dir: Path) -> None:
    """`create_engine` makes a backend of the text engine: each choice as long as it was asked."""
    backend = create_engine([make_spec(model_dir)], EngineContext(model_dir))
    await backend.start()

    whole = await backend.complete(model_requests.chat(max_tokens=5, n=2, seed=1))
    await backend.stop()

    assert whole.finish_reasons == ((0, "length"), (1, "length"))
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (len("u:hello!a:"), 10)


async def test_the_last_piece_alone_has_finish_reason_and_usage(engine: TransformersEngine) -> None:
    """The last piece alone tells why the answer ended and what it took."""
    *earlier, last = await collect(engine, chat("hello"))

    assert all(piece.finish_reason is None and piece.usage is None for piece in earlier)
    assert last.finish_reason == "length"
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (len("u:hello!a:"), 24)
    assert last.usage.engine_seconds > 0
    assert last.usage.prefill_seconds > 0
    assert sum(piece.tokens for piece in [*earlier, last]) == 24


async def test_concurrent_answers_equal_those_given_alone(engine: TransformersEngine) -> None:
    """Sixty-four requests at once get the answers that each gets alone."""
    texts = [f"question {'abcdefgh'[i % 8] * (i % 5 + 1)}" for i in range(64)]
    alone = {text: await answer(engine, chat(text)) for text in set(texts)}

    together = await asyncio.gather(*(answer(engine, chat(text)) for text in texts))

    assert together == [alone[text] for text in texts]
    assert len(set(together)) > 8  # the prompts do get different answers


async def test_a_seed_repeats_an_answer_whatever_else_is_in_the_batch(
    engine: TransformersEngine,
) -> None:
    """The same seed draws the same tokens, alone and among other requests."""
    prompt = chat("hello", temperature=1.0, top_p=0.9, seed=7)
    alone = await answer(engine, prompt)

    among, *_ = await asyncio.gather(
        answer(engine, prompt), *(answer(engine, chat(t, temperature=1.0)) for t in ("x", "yy"))
    )

    assert among == alone
    assert await answer(engine, chat("hello", temperature=1.0, top_p=0.9, seed=8)) != alone


async def test_the_operator_sets_the_temperature_of_requests_without_one(model_dir: Path) -> None:
    """A specialist answers greedily unless it is asked otherwise."""
    engine = make_engine(model_dir, default_temperature=0)
    await engine.start()
    try:
        greedy = await answer(engine, chat("hello"))

        assert await answer(engine, chat("hello", temperature=None, seed=3)) == greedy
        assert await answer(engine, chat("hello", temperature=1.5, seed=3)) != greedy
    finally:
        await engine.stop()


async def test_the_operator_sets_the_nucleus_of_requests_without_one(model_dir: Path) -> None:
    """As with the temperature; and what neither says, the model's own configuration does."""
    path = model_dir / "generation_config.json"
    own = path.read_bytes()
    path.write_text(json.dumps(json.loads(own) | {"do_sample": True, "temperature": 1e-6}))
    engines = [make_engine(model_dir, default_top_p=1e-9, default_temperature=1.5)]
    engines.append(make_engine(model_dir))
    try:
        for engine in engines:
            await engine.start()
            greedy = await answer(engine, chat("hello"))

            assert await answer(engine, chat("hello", temperature=None, seed=3)) == greedy
            assert await answer(engine, chat("hello", temperature=2, top_p=1, seed=3)) != greedy
    finally:
        path.write_bytes(own)
        for engine in engines:
            await engine.stop()


async def test_a_tiny_temperature_is_greedy(engine: TransformersEngine) -> None:
    """A temperature near zero gives the greedy answer and kills nothing."""
    greedy = await answer(engine, chat("hello"))

    assert await answer(engine, chat("hello", temperature=1e-6, seed=1)) == greedy


async def test_a_tiny_top_p_is_greedy(engine: TransformersEngine) -> None:
    """A nucleus that holds one token leaves no choice."""
    greedy = await answer(engine, chat("hello"))

    assert await answer(engine, chat("hello", temperature=1.5, top_p=1e-9, seed=3)) == greedy


async def test_a_stop_string_ends_the_answer_before_it(engine: TransformersEngine) -> None:
    """The answer ends before the stop string, even one that spans tokens."""
    whole = await answer(engine, chat("hello"))
    stop = whole[5:8]

    *_, last = pieces = await collect(engine, chat("hello", stop=(stop,)))

    assert "".join(piece.text for piece in pieces) == whole[: whole.index(stop)]
    assert last.finish_reason == "stop"


async def test_a_frequency_penalty_forbids_repetition(engine: TransformersEngine) -> None:
    """A strong penalty on repeated tokens makes every token of a short answer a new one."""
    plain = await answer(engine, chat("hello", max_tokens=12))
    penalised = await answer(engine, chat("hello", max_tokens=12, frequency_penalty=1000.0))

    assert len(set(plain)) < len(plain)
    assert len(set(penalised)) == len(penalised)


async def test_logprobs_are_those_of_the_distribution(engine: TransformersEngine) -> None:
    """The chosen greedy token leads its alternatives, and all alternatives together make one."""
    pieces = await collect(engine, chat("hello", max_tokens=5, top_logprobs=34))
    scores = [score for piece in pieces for score in piece.logprobs]

    assert len(scores) == 5
    for score in scores:
        assert score.top[0] == (score.token, pytest.approx(score.logprob))
        assert math.fsum(math.exp(value) for _, value in score.top) == pytest.approx(1, abs=1e-4)


async def test_the_system_prompt_of_the_spec_comes_first(model_dir: Path) -> None:
    """A spec's system prompt is said first unless the conversation has its own."""
    spec = ModelSpec(
        name="tiny", model=str(model_dir), engine_options=OPTIONS, system_prompt="be brief"
    )
    engine = engine_of(spec)
    await engine.start()

    *_, last = await collect(engine, chat("hello"))
    await engine.stop()

    assert last.usage is not None
    assert last.usage.prompt_tokens == len("s:be brief!u:hello!a:")


async def test_leaving_early_stops_the_generation(engine: TransformersEngine) -> None:
    """Closing the stream frees the slot: the engine generates no further."""
    earlier = await engine.load()
    stream = engine.generate(chat("tell me", max_tokens=200))
    await anext(stream)
    await stream.aclose()
    before = await engine.load()
    await asyncio.sleep(0.2)
    after = await engine.load()

    assert (after.running, after.cancelled) == (0, earlier.cancelled + 1)
    assert after.generated_tokens == before.generated_tokens < earlier.generated_tokens + 200
    assert await answer(engine, chat("still there?"))


async def test_an_answer_that_takes_too_long_is_given_up(engine: TransformersEngine) -> None:
    """A deadline ends the generation with an error that names it."""
    earlier = await engine.load()
    with pytest.raises(DeadlineExceeded):
        await collect(engine, chat("tell me", deadline_seconds=0.0, max_tokens=200))

    load = await engine.load()
    assert (load.running, load.failed) == (0, earlier.failed + 1)


@pytest.mark.parametrize(
    ("prompt", "parameter"),
    [
        pytest.param(chat("x" * 300), "messages", id="a prompt longer than the context"),
        pytest.param(chat("hi", max_tokens=250), "max_tokens", id="an answer that cannot fit"),
        pytest.param(Prompt("r", text=""), "prompt", id="no tokens at all"),
    ],
)
async def test_what_cannot_fit_is_refused(
    engine: TransformersEngine, prompt: Prompt, parameter: str
) -> None:
    """A request that the cache cannot hold is refused by name, and the engine lives on."""
    with pytest.raises(InvalidPrompt) as refused:
        await collect(engine, prompt)

    assert refused.value.parameter == parameter
    await engine.health()
    assert await answer(engine, chat("hello"))


async def test_a_dead_generation_thread_is_seen(model_dir: Path) -> None:
    """When the engine's thread dies, waiting requests fail and the health check says so."""
    engine = make_engine(model_dir)
    await engine.start()
    loaded = engine._ready()  # nothing public can make the thread die
    stream = engine.generate(chat("hello", max_tokens=240))
    await anext(stream)
    loaded.sampler.add("poison", Sampling(temperature=1.0)).sampling = None
    loaded.manager.add_request([2, 3], request_id="poison", max_new_tokens=10)

    with pytest.raises(Unavailable):
        async for _ in stream:
            pass
    await asyncio.sleep(0.2)  # the manager fails its requests before it says that it is dead
    with pytest.raises(Unavailable):
        await engine.health()
    with pytest.raises(Unavailable):
        await collect(engine, chat("hello"))
    await engine.stop()


async def test_a_full_cache_makes_requests_wait_and_nothing_hang(model_dir: Path) -> None:
    """With room for two answers at a time, forty requests that stop, leave or finish are all
    served, and so is the next one."""
    engine = make_engine(model_dir, cache_tokens=128)
    await engine.start()
    whole = await answer(engine, chat("hello"))

    async def leave_early(text: str) -> str:
        stream = engine.generate(chat(text, max_tokens=40))
        await anext(stream)
        await stream.aclose()
        return text

    texts = [f"text {index}" for index in range(13)]
    async with asyncio.timeout(60):
        await asyncio.gather(
            *(leave_early(text) for text in texts),
            *(answer(engine, chat(text, stop=(" ", "a", "e"))) for text in texts),
            *(answer(engine, chat(text)) for text in texts),
        )
        assert await answer(engine, chat("hello")) == whole
    load = await engine.load()
    assert (load.running, load.queued) == (0, 0)
    await engine.stop()


async def test_requests_without_room_count_as_queued(engine: TransformersEngine) -> None:
    """A request that waits for room in the cache is queued; one whose time runs out there fails."""
    streams = [engine.generate(chat("hello", max_tokens=240)) for _ in range(8)]
    for stream in streams:
        await anext(stream)

    with pytest.raises(DeadlineExceeded):
        await collect(engine, chat("hello", deadline_seconds=0.01, max_tokens=240))
    waiting = asyncio.ensure_future(collect(engine, chat("hello", max_tokens=240)))
    await asyncio.sleep(0)
    for _ in range(100):
        queued = (await engine.load()).queued
        if queued:
            break
        await asyncio.sleep(0.001)
    for stream in streams:
        await stream.aclose()

    assert queued == 1
    assert await waiting


async def test_requests_that_stop_early_leave_nothing_behind(engine: TransformersEngine) -> None:
    """After many answers that ended at a stop string the manager holds nothing of theirs."""
    await asyncio.gather(*(answer(engine, chat(f"q{i}", stop=("a", "e"))) for i in range(50)))
    await asyncio.sleep(0.1)
    await answer(engine, chat("one more"))

    router = engine._ready().manager.output_router
    assert router.result_handlers == {}
    assert router.output_queue.qsize() <= 1  # at most what came after the last request ended


async def test_an_engine_without_progress_is_not_alive(model_dir: Path) -> None:
    """Work without progress for longer than allowed asks for a restart; idling does not."""
    engine = make_engine(model_dir, stall_seconds=0.05)
    await engine.start()
    await asyncio.sleep(0.1)
    await engine.alive()

    with engine._ready().manager.pause():
        waiting = asyncio.ensure_future(collect(engine, chat("hello")))
        await asyncio.sleep(0.15)
        with pytest.raises(Unavailable, match="no progress"):
            await engine.alive()

    assert await waiting
    await engine.stop()


async def test_a_bare_text_is_continued_as_it_is(engine: TransformersEngine) -> None:
    """A text prompt gets no chat format around it."""
    *_, last = await collect(
        engine, Prompt("r", text="once", sampling=Sampling(max_tokens=3, temperature=0))
    )

    assert last.usage is not None
    assert last.usage.prompt_tokens == len("once")


async def test_an_unknown_option_is_refused_by_name(model_dir: Path) -> None:
    """An engine option that does not exist is named, with those that do."""
    with pytest.raises(ValueError, match=r"engine_options\.cache_token.*cache_tokens"):
        make_engine(model_dir, cache_token=1)
