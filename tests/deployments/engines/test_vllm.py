"""What is vLLM's own: arguments, structured output, figures. `make test-vllm` runs it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deployments.engine import Engine, EngineContext, create_engine
from deployments.models.adapters import load_adapter
from deployments.models.errors import ModelError
from deployments.protocol import InvalidPrompt, ModelRequest, PromptTooLong, Unavailable
from deployments.spec import ModelSpec, Resources
from tests.deployments.adapters import save_adapter
from tests.deployments.tiny_lora import save_lora
from tests.grammars import follows
from tests.model_requests import chat, completion, objects, text_of

pytest.importorskip("vllm", reason="vllm is not installed here; `make test-vllm` runs this")
pytestmark = pytest.mark.asyncio(loop_scope="module")

OPTIONS = {"max_model_len": 256, "max_num_seqs": 4, "dtype": "float32", "enforce_eager": True}
CONTEXT = EngineContext(Path("unused"))


def spec(model: Path | str = "org/model", *, gpus: float = 0, **options: Any) -> ModelSpec:
    resources = Resources(num_gpus=gpus)
    return ModelSpec(
        name="tiny",
        model=str(model),
        engine="vllm",
        engine_options=OPTIONS | options,
        resources=resources,
    )


def ask(content: str = "hello", **body: Any) -> ModelRequest:
    return chat(content, "tiny", **({"max_tokens": 20, "temperature": 0} | body))


def model(name: str, base: Path, adapter: Path | None = None) -> ModelSpec:
    return spec(base).model_copy(update={"name": name, "adapter": adapter and str(adapter)})


def ask_of(name: str) -> ModelRequest:
    return replace(ask(), model=name)


async def said(engine: Engine, name: str) -> str:
    return text_of([await engine.complete(ask_of(name))])


async def asked_until(done: asyncio.Event, engine: Engine, name: str) -> list[str]:
    """What a model answers again and again."""
    answers = []
    while not done.is_set():
        answers.append(await said(engine, name))
    return answers


@asynccontextmanager
async def started(*specs: ModelSpec) -> AsyncIterator[Any]:
    engine = create_engine(specs, CONTEXT)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.deployments.tiny_model import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("tiny"), width=64, hides_unknown=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tiny: Path) -> AsyncIterator[Engine]:
    engine = create_engine([spec(tiny)], CONTEXT)
    await engine.start()
    yield engine
    await engine.stop()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_modl_len": 5}, "engine_options.max_modl_len"),
        ({"max_model": 5}, "engine_options.max_model"),  # argparse would take it for another's
        ({"max_model_len": "much"}, "--max-model-len"),
        ({"port": 5}, "engine_options.port"),
        ({"served_model_name": "x"}, "engine_options.served_model_name"),
        ({"enable_auto_tool_choice": True}, "tool-call-parser"),
    ],
)
async def test_a_wrong_argument_is_refused_by_name(options, named) -> None:
    """Before anything is loaded."""
    with pytest.raises(ValueError, match=named):
        create_engine([spec(**options)], CONTEXT)


@pytest.mark.parametrize(
    ("gpus", "options"),
    [(0, {"tensor_parallel_size": 2}), (2, {"tensor_parallel_size": 4})],
    ids=["no GPU", "too few"],
)
async def test_parallel_work_needs_its_gpus(gpus, options) -> None:
    """Ray gives a replica what `resources` says."""
    with pytest.raises(ValueError, match=r"resources\.num_gpus"):
        create_engine([spec(gpus=gpus, **options)], CONTEXT)


@pytest.mark.parametrize(
    ("gpus", "options", "tensor", "pipeline"),
    [(4, {}, 4, 1), (4, {"pipeline_parallel_size": 2}, 2, 2), (1, {}, 1, 1)],
)
async def test_several_gpus_share_a_model(gpus, options, tensor, pipeline) -> None:
    """Tensor parallel unless the options say otherwise, by Ray's workers."""
    from deployments.engines._vllm_arguments import parse

    found = parse(options, "org/model", num_gpus=gpus)

    assert (found.tensor_parallel_size, found.pipeline_parallel_size) == (tensor, pipeline)
    assert (found.distributed_executor_backend == "ray") == (gpus > 1)


@pytest.mark.parametrize(
    ("options", "ranks", "expected"),
    [
        ({}, [8, 8], (6, 32, 16)),
        ({}, [8, 24], (6, 32, 32)),
        ({"enable_lora": True}, [], (4, 32, 16)),
        ({"max_loras": 40, "max_lora_rank": 8}, [8], (40, 40, 8)),
        ({"max_loras": 3, "max_cpu_loras": 9}, [8, 8], (3, 9, 16)),
    ],
    ids=["more of them", "the largest", "none yet", "as it is said", "those that take turns"],
)
async def test_a_process_has_room_for_later_adapters(
    tiny, tmp_path, options, ranks, expected
) -> None:
    """Unless the options say how much."""
    from deployments.engines._vllm_arguments import parse

    adapters = [
        load_adapter(str(save_lora(tmp_path / f"{place}", tiny, config={"r": rank})))
        for place, rank in enumerate(ranks)
    ]
    found = parse(options, tiny, adapters)

    assert found.enable_lora
    assert (found.max_loras, found.max_cpu_loras, found.max_lora_rank) == expected


@pytest.mark.parametrize(
    "options", [{"max_loras": 2}, {"enable_lora": False}], ids=["too few places", "none"]
)
async def test_a_process_without_room_for_its_adapters_is_not_started(
    tiny, tmp_path, options
) -> None:
    """The argument is named; on a CPU one place of a batch stays empty."""
    from deployments.engines._vllm_arguments import parse

    adapters = [load_adapter(str(save_lora(tmp_path / name, tiny))) for name in ("a", "b")]
    with pytest.raises(ValueError, match=next(iter(options))):
        parse(options, tiny, adapters)


async def test_an_adapter_of_another_base_is_refused(tiny, tmp_path) -> None:
    """With the name of the base that it needs."""
    adapter = save_lora(tmp_path / "adapter", Path("another"), width=64)
    given = spec(tiny).model_copy(update={"adapter": str(adapter)})

    with pytest.raises(ModelError, match="another"):
        await create_engine([given], CONTEXT).start()


async def test_an_adapter_of_a_larger_rank_than_allowed_is_refused(tiny, tmp_path) -> None:
    """By the name of the argument."""
    adapter = save_lora(tmp_path / "adapter", tiny, width=64, config={"r": 16})
    given = spec(tiny, max_lora_rank=8).model_copy(update={"adapter": str(adapter)})

    with pytest.raises(ModelError, match="max_lora_rank"):
        await create_engine([given], CONTEXT).start()


async def test_adapters_come_and_go_while_requests_are_answered(tiny, tmp_path) -> None:
    """Each answers as it does from the start, whichever were there before; no request fails."""
    first, second, third = (
        model(name, tiny, save_lora(tmp_path / name, tiny, seed=seed, width=64))
        for seed, name in enumerate(("first", "second", "third"), 1)
    )
    base = model("base", tiny)
    async with started(base, first, second, third) as engine:
        expected = {name: await said(engine, name) for name in ("base", "first", "second", "third")}
    assert len(set(expected.values())) == 4

    async with started(base, first) as engine:
        done = asyncio.Event()
        asking = [asyncio.create_task(asked_until(done, engine, "base")) for _ in range(2)]
        await engine.update([base, first, second])
        assert await said(engine, "second") == expected["second"]
        stream = engine.stream(ask_of("first"))
        begun = [await anext(stream)]
        for _ in range(4):  # a place is free again, and nobody gets what was in it
            await engine.update([base, third])
            assert await said(engine, "third") == expected["third"]
            await engine.update([base, second])
            assert await said(engine, "second") == expected["second"]
        with pytest.raises(Unavailable):
            await said(engine, "first")
        assert text_of([*begun, *[chunk async for chunk in stream]]) == expected["first"]
        done.set()
        answers = [answer for task in asking for answer in await task]
        held = await engine._loaded.server._engine.list_loras()

    assert len(answers) > 8
    assert set(answers) == {expected["base"]}
    assert len(held) == 1


async def test_an_adapter_that_vllm_cannot_use_is_refused_while_it_runs(tiny, tmp_path) -> None:
    """Before it is loaded or while it is; the others answer as before."""
    base, good = model("base", tiny), model("good", tiny, save_lora(tmp_path / "a", tiny, width=64))
    large = save_lora(tmp_path / "large", tiny, width=64, config={"r": 64})
    strange = save_lora(tmp_path / "strange", tiny, width=64, config={"use_dora": True})
    async with started(base, good) as engine:
        before = await said(engine, "good")
        with pytest.raises(ModelError, match="max_lora_rank"):
            await engine.update([base, good, model("large", tiny, large)])
        with pytest.raises(ModelError, match="DoRA"):
            await engine.update([base, good, model("strange", tiny, strange)])

        assert await said(engine, "good") == before
        await engine.alive()


async def test_an_answer_keeps_to_a_choice(engine) -> None:
    """Structured output is vLLM's."""
    answer = await engine.complete(ask(structured_outputs={"choice": ["abc", "xyz"]}))

    assert text_of([answer]) in ("abc", "xyz")


async def test_a_specialist_follows_the_grammar_of_its_card(tiny, tmp_path) -> None:
    """Streamed and whole, with words of the conversation, unless a client has a form of its own."""
    grammar = 'answer: "i copy " WORDS "!"\nWORDS: %copied {}'
    adapter = save_adapter(tmp_path / "toy", tiny, grammar=grammar)
    engine = create_engine([spec(tiny).model_copy(update={"adapter": str(adapter)})], CONTEXT)
    await engine.start()
    try:
        asked = ask("xyz xyz", max_tokens=60, response_format={"type": "text"})
        whole = text_of([await engine.complete(asked)])
        streamed = text_of([chunk async for chunk in engine.stream(asked)])
        own = await engine.complete(ask(structured_outputs={"choice": ["mine"]}))
    finally:
        await engine.stop()

    assert follows(grammar, whole, "xyz xyz")
    assert follows(grammar, streamed, "xyz xyz")
    assert text_of([own]) == "mine"


async def test_a_wrong_schema_is_refused(engine) -> None:
    """And the engine lives on."""
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "strange"}}}
    with pytest.raises(Exception, match=r"(?i)schema|type") as refused:
        await engine.complete(ask(response_format=form))

    assert type(refused.value).__name__ == "InvalidPrompt"
    assert (await engine.complete(ask())).usage is not None


async def test_a_limit_without_room_is_lowered_where_it_may_be(engine) -> None:
    """And told with the first chunk; the model that a client names refuses it."""
    asked = ask("a" * 150, max_tokens=None, max_completion_tokens=500, ignore_eos=True)
    clamped = replace(asked, clamp_max_tokens=True)
    first, *others = [chunk async for chunk in engine.stream(clamped)]
    whole = await engine.complete(clamped)

    assert first.not_applied == whole.not_applied == ("max_completion_tokens",)
    assert not any(chunk.not_applied for chunk in others)
    assert whole.usage.prompt_tokens + whole.usage.completion_tokens <= 256
    assert whole.finish_reasons == ((0, "length"),)
    with pytest.raises(InvalidPrompt):
        await engine.complete(asked)


@pytest.mark.parametrize("operation", ["chat", "completion"])
async def test_a_limit_with_room_stays(engine, operation) -> None:
    """Nothing is told."""
    asked = ask() if operation == "chat" else completion("a" * 200, "tiny", max_tokens=5)
    answer = await engine.complete(replace(asked, clamp_max_tokens=True))

    assert answer.not_applied == ()


async def test_a_count_is_that_of_the_answer(engine) -> None:
    """With the template and the tools, as the model reads them."""
    said = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello " * 9}]
    asked = ask(messages=said)
    counted = await engine.complete(replace(asked, operation="count_tokens"))
    answered = await engine.complete(asked)

    assert objects([counted]) == [{"input_tokens": answered.usage.prompt_tokens}]
    assert (counted.usage.prompt_tokens, counted.usage.completion_tokens) == (0, 0)


async def test_a_prompt_without_room_is_not_counted(engine) -> None:
    """As it is for an answer: another model may have to give it, and so to count."""
    with pytest.raises(PromptTooLong):
        await engine.complete(replace(ask("hello " * 200), operation="count_tokens"))


async def test_a_prompt_that_was_read_before_is_found_again(engine) -> None:
    """The usage says so, and so do the engine's figures."""
    asked = ask("a long beginning that many requests have in common " * 3)
    await engine.complete(asked)
    (second,) = objects([await engine.complete(asked)])
    told = (await engine.load("tiny")).engine

    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    assert 0 < told.prefix_cache_hit_tokens <= told.prefix_cache_queried_tokens
    assert told.waiting_requests == 0


async def test_more_requests_than_fit_wait(engine) -> None:
    """And all are answered."""
    asked = [ask(f"question {number}") for number in range(12)]
    answers = await asyncio.gather(*map(engine.complete, asked))

    assert all(answer.usage.completion_tokens == 20 for answer in answers)
    assert (await engine.load("tiny")).slots == 4


async def test_an_engine_that_was_killed_says_so(tiny) -> None:
    """A replica that is not alive is replaced; requests fail and do not hang."""
    engine: Any = create_engine([spec(tiny)], CONTEXT)
    await engine.start()
    try:
        manager = engine._loaded.server._engine.engine_core.resources.engine_manager
        os.kill(manager.processes[0].pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            with pytest.raises(Unavailable):
                await engine.complete(ask())
            with pytest.raises(Unavailable):
                await engine.alive()
    finally:
        await engine.stop()
