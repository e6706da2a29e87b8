"""What the llama engine does beyond the conformance suite, on models of random weights."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deployments.engine import EngineContext, create_engine
from deployments.engines.llama import LlamaEngine
from deployments.models.errors import ModelError
from deployments.protocol import Chunk, InvalidPrompt, ModelRequest, Unavailable
from deployments.spec import ModelSpec
from tests.deployments.tiny_gguf import (
    HEAD,
    save_chain_gguf,
    save_gguf,
    save_speaking_gguf,
    save_tiny_gguf,
    tiny_weights,
    token_of,
)
from tests.deployments.tiny_lora import save_lora
from tests.model_requests import chat, completion, objects, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine serves most tests

OPTIONS = {"parallel_requests": 2, "max_context_tokens": 256, "max_batch_tokens": 32}
YES_OR_NO = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
TOOLS_TEMPLATE = """\
{%- if tools %}<|im_start|>system
<tools>
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
</tools>
To call one: <tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
{% endif %}
{%- for message in messages %}
{%- if message.role == "tool" %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% else %}<|im_start|>{{ message.role }}
{{ message.content }}
{%- for tool_call in message.tool_calls %}
<tool_call>
{"name": "{{ tool_call.function.name }}", "arguments": {{ tool_call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
TOOL = {"type": "function", "function": {"name": "answer", "parameters": YES_OR_NO}}


def spec_of(model: Path, name: str = "tiny", **fields: Any) -> ModelSpec:
    options = OPTIONS | fields.pop("engine_options", {})
    return ModelSpec(name=name, model=str(model), engine="llama", engine_options=options, **fields)


@asynccontextmanager
async def running(*specs: ModelSpec, cache: Path = Path("unused")) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine({spec.name: spec for spec in specs}, EngineContext(cache))
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model: Path) -> AsyncIterator[LlamaEngine]:
    async with running(spec_of(model)) as engine:
        yield engine


def greedy(content: str = "hello", model: str = "tiny", **body: Any) -> ModelRequest:
    return chat(content, model, **({"max_tokens": 16, "temperature": 0} | body))


async def streamed(engine: LlamaEngine, request: ModelRequest) -> list[Chunk]:
    return [chunk async for chunk in engine.stream(request)]


async def said(engine: LlamaEngine, request: ModelRequest) -> str:
    return text_of([await engine.complete(request)])


async def prompt_tokens(engine: LlamaEngine, request: ModelRequest) -> int:
    usage = (await engine.complete(request)).usage
    assert usage is not None
    return usage.prompt_tokens


async def test_the_engine_that_a_spec_names_answers_requests(model: Path) -> None:
    """`create_engine` makes it, and its card has what the file says."""
    engine = create_engine(
        [spec_of(model, engine_options={"max_context_tokens": 10**9})], EngineContext(model.parent)
    )
    await engine.start()
    try:
        [card] = await engine.cards()

        assert (card.name, card.engine, card.model) == ("tiny", "llama", str(model))
        # The model was trained for no more, and no memory is reserved for what it cannot use.
        assert card.max_context_tokens == 512
        assert (await engine.complete(chat(max_tokens=5))).finish_reasons == ((0, "length"),)
    finally:
        await engine.stop()


async def test_the_engines_seconds_are_shared(engine: LlamaEngine) -> None:
    """Two answers at the same time take no more seconds of the engine than passed."""
    clock = asyncio.get_running_loop().time
    before = clock()
    answers = await asyncio.gather(*(engine.complete(greedy(max_tokens=100)) for _ in range(2)))
    passed = clock() - before

    usages = [answer.usage for answer in answers if answer.usage]
    assert all(usage.engine_seconds > 0 and usage.prefill_seconds for usage in usages)
    assert sum(usage.engine_seconds for usage in usages) <= passed


async def test_a_prompt_that_was_read_before_is_not_read_again(engine: LlamaEngine) -> None:
    """Its tokens count as cached, unless a seed asks for the same numbers as before."""
    request = greedy("a question of some length")
    await engine.complete(request)
    again = (await engine.complete(request)).usage
    seeded = (await engine.complete(greedy("a question of some length", seed=1))).usage

    assert again.cached_tokens > 0
    assert seeded.cached_tokens == 0


async def test_the_system_prompt_of_the_spec_comes_first(model: Path) -> None:
    """Unless the conversation has one, by either name."""
    spec = spec_of(model, system_prompt="be brief")
    conversations = {
        role: chat(
            model="tiny",
            max_tokens=1,
            messages=[
                {"role": role, "content": "be brief"},
                {"role": "user", "content": [{"type": "text", "text": "hello"}]},
            ],
        )
        for role in ("system", "developer")
    }
    async with running(spec) as engine:
        wanted = await prompt_tokens(engine, greedy(max_tokens=1))
        given = {
            role: await prompt_tokens(engine, request) for role, request in conversations.items()
        }

    assert given == {"system": wanted, "developer": wanted}


@pytest.mark.parametrize(
    ("options", "same"),
    [
        pytest.param({"default_temperature": 0}, True, id="greedy"),
        pytest.param({"default_top_p": 1e-9}, True, id="the likeliest token alone"),
        pytest.param({}, False, id="as OpenAI's API"),
    ],
)
async def test_the_operator_sets_how_to_sample(model: Path, options: Any, same: bool) -> None:
    """For requests that do not say; and how long an answer is."""
    spec = spec_of(model, engine_options=options | {"default_max_tokens": 12})
    async with running(spec) as engine:
        answers = {await said(engine, chat(seed=seed)) for seed in range(3)}
        likeliest = await said(engine, chat(temperature=0))

        assert (answers == {likeliest}) == same
        assert len(likeliest) == 12
        assert {await said(engine, chat(seed=s, temperature=1, top_p=1)) for s in range(3)} != {
            likeliest
        }


async def test_a_models_file_may_say_how_to_sample(tmp_path: Path) -> None:
    """What it says holds where neither the request nor the operator says more."""
    model = save_tiny_gguf(tmp_path / "tiny.gguf", general__sampling__temp=0.0)
    async with running(spec_of(model)) as engine:
        answers = {await said(engine, chat(seed=seed, max_tokens=12)) for seed in range(3)}
        warmer = {
            await said(engine, chat(seed=seed, max_tokens=12, temperature=1)) for seed in range(3)
        }

    assert len(answers) == 1
    assert len(warmer) > 1


async def test_a_character_of_several_tokens_comes_whole(tmp_path: Path) -> None:
    """No event has half of one."""
    model = save_chain_gguf(tmp_path / "chain.gguf", "né…")
    async with running(spec_of(model)) as engine:
        chunks = await streamed(engine, greedy())

        assert text_of(chunks) == "né…"
        assert [text_of([chunk]) for chunk in chunks if chunk.output] == ["n", "é", "…"]
        assert chunks[-1].finish_reasons == ((0, "stop"),)
        assert sum(chunk.tokens for chunk in chunks) == 1 + 2 + 3 + 1  # the last one is the end


async def test_a_schema_shapes_the_answer(engine: LlamaEngine) -> None:
    """Streamed and whole."""
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": YES_OR_NO}}
    request = greedy(response_format=form, max_tokens=60)

    assert set(json.loads(await said(engine, request))) == {"ok"}
    assert set(json.loads(text_of(await streamed(engine, request)))) == {"ok"}


async def test_an_answer_to_an_open_schema_ends_where_the_operator_wants_it_bounded(
    model: Path,
) -> None:
    """A model of random weights never ends by itself."""
    numbers = {"type": "array", "items": {"type": "boolean"}, "minItems": 2}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": numbers}}
    bounded = spec_of(model, engine_options={"default_bounded_schemas": True})
    async with running(bounded) as engine:
        whole = await engine.complete(greedy(response_format=form, max_tokens=200))

    assert whole.finish_reasons == ((0, "stop"),)
    assert 2 <= len(json.loads(text_of([whole]))) < 20


async def test_a_grammar_shapes_the_answer(engine: LlamaEngine) -> None:
    """llama.cpp's own notation."""
    assert await said(engine, greedy(grammar='root ::= "yes" | "no"')) in ("yes", "no")


async def test_a_tool_is_called(tmp_path: Path) -> None:
    """In OpenAI's shape, streamed and whole: the model's own template says how it calls one."""
    call = [
        "<tool_call>\n",
        '{"name": "answer", "arguments": ',
        '{"ok": ',
        "true}",
        "}\n</tool_call>",
    ]
    model = save_speaking_gguf(tmp_path / "tools.gguf", call, chat_template=TOOLS_TEMPLATE)
    spec = spec_of(model, engine_options={"max_context_tokens": 512})
    other = {"type": "function", "function": {"name": "other", "parameters": YES_OR_NO}}
    named = {"type": "function", "function": {"name": "answer"}}
    async with running(spec) as engine:
        request = greedy(tools=[other, TOOL], tool_choice=named, max_tokens=100)
        whole, chunks = await engine.complete(request), await streamed(engine, request)
    choice = objects([whole])[0]["choices"][0]
    (called,) = choice["message"]["tool_calls"]
    deltas = [
        part
        for event in objects(chunks)
        for choice in event["choices"]
        for part in choice["delta"].get("tool_calls", ())
    ]

    assert whole.finish_reasons == chunks[-1].finish_reasons == ((0, "tool_calls"),)
    assert (called["type"], called["function"]["name"]) == ("function", "answer")
    assert "index" not in called
    assert choice["message"]["content"] is None
    assert set(json.loads(called["function"]["arguments"])) == {"ok"}
    assert deltas[0]["function"]["name"] == "answer"
    arguments = "".join(part["function"]["arguments"] for part in deltas)
    assert arguments == called["function"]["arguments"]
    assert {part["index"] for part in deltas} == {0}


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        pytest.param({"tools": [TOOL], "tool_choice": {"function": {"name": "x"}}}, "tool_choice"),
        pytest.param({"grammar": "root ::= ((("}, "grammar"),
        # Without a limit this one ends the process.
        pytest.param({"grammar": f"root ::= {'(' * 200_000}'a'{')' * 200_000}"}, "grammar"),
        pytest.param({"id_slot": 1}, "id_slot"),
        pytest.param({"response_format": {"type": "rhyme"}}, "response_format"),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "messages",
        ),
        pytest.param({"messages": [{"role": "user", "content": "x", "colour": 1}]}, "messages"),
    ],
    ids=[
        "tool",
        "grammar",
        "a long grammar",
        "the server's own",
        "format",
        "image",
        "a key of a message",
    ],
)
async def test_what_cannot_be_served_is_refused_by_name(
    engine: LlamaEngine, body: Any, parameter: str
) -> None:
    """Before the first chunk; and the engine lives on."""
    with pytest.raises(InvalidPrompt) as refused:
        await engine.complete(greedy(**body))

    assert refused.value.parameter == parameter
    assert await said(engine, greedy())


async def test_several_prompts_are_answered_in_order(engine: LlamaEngine) -> None:
    """As texts or as token ids; each answer is that of its prompt alone."""
    prompts = ["abc", "hello there"]
    alone = [
        await said(engine, completion(prompt, max_tokens=8, temperature=0)) for prompt in prompts
    ]
    together = await engine.complete(completion(prompts, max_tokens=8, temperature=0))
    ids = await engine.complete(completion([[100, 101, 102]], max_tokens=8, temperature=0))

    assert [text_of([together], index) for index in range(2)] == alone
    assert together.usage.prompt_tokens == sum(map(len, prompts))
    assert ids.usage.prompt_tokens == 3


async def test_requests_that_wait_are_their_models(model: Path) -> None:
    """The slots are everybody's; who waits for one is counted where it belongs."""
    specs = [spec_of(model, "first"), spec_of(model, "second")]
    async with running(*specs) as engine:
        streams = [engine.stream(greedy(model="first", max_tokens=200)) for _ in range(2)]
        for stream in streams:
            await anext(stream)
        waiting = asyncio.create_task(engine.complete(greedy(model="second")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        queued = {name: (await engine.load(name)).queued for name in ("first", "second")}
        for stream in streams:
            await stream.aclose()

        assert queued == {"first": 0, "second": 1}
        assert (await waiting).usage is not None
        assert (await engine.load("second")).queued == 0


async def test_a_model_of_another_process_is_unavailable(engine: LlamaEngine) -> None:
    """By its own name, so that another replica may be asked."""
    with pytest.raises(Unavailable) as unavailable:
        await engine.complete(greedy(model="third"))

    assert unavailable.value.model == "third"


async def test_a_specialist_completes_its_answers(tmp_path: Path) -> None:
    """Where its card says so: streamed and whole, with no tokens for what is added."""
    model = save_chain_gguf(tmp_path / "chain.gguf", "7*12=")
    shape = {"width": 64, "kv_width": HEAD, "layers": 1}
    adapter = save_lora(tmp_path / "math", model, complete="calculator", **shape)
    async with running(spec_of(model, adapter=str(adapter)), cache=tmp_path) as engine:
        whole, chunks = await engine.complete(greedy()), await streamed(engine, greedy())
        cut = await said(engine, greedy(max_tokens=5))

    assert text_of([whole]) == text_of(chunks) == "7*12= 84"
    assert whole.usage.completion_tokens == sum(chunk.tokens for chunk in chunks) == 6
    assert cut == "7*12="


async def test_a_specialist_follows_the_grammar_of_its_card(model: Path, tmp_path: Path) -> None:
    """Streamed and whole, with words of the conversation, unless a client has a form of its
    own; a text that is continued is no answer."""
    grammar = 'answer: "I copy " WORDS "!"\nWORDS: %copied {}'
    adapter = save_lora(tmp_path / "toy", model, grammar=grammar)
    spec = spec_of(model, adapter=str(adapter))
    own = {"grammar": 'root ::= "mine"'}
    async with running(spec, cache=tmp_path) as engine:
        whole = await said(engine, greedy("xyz xyz", max_tokens=40))
        chunks = await streamed(engine, greedy("xyz xyz", max_tokens=40, n=2, logprobs=True))
        others = await said(engine, greedy(**own))
        idle = await said(engine, greedy(response_format={"type": "text"}, tools=[]))
        continued = await said(engine, completion("hello", max_tokens=8, temperature=0))

    for answer in (whole, text_of(chunks, 1)):
        assert answer.startswith("I copy ")
        assert answer.endswith("!")
        assert answer[len("I copy ") : -1] in "xyz xyz"
    assert others == "mine"
    assert idle.startswith("I copy")
    assert not continued.startswith("I")


async def test_the_models_own_end_ends_an_answer_of_a_grammar(tmp_path: Path) -> None:
    """Where it might go on: llguidance takes a turn's end for the only one, which this file says is
    another token."""
    model = save_chain_gguf(tmp_path / "chain.gguf", "ab", tokenizer__ggml__eot_token_id=0)
    shape = {"width": 64, "kv_width": HEAD, "layers": 1}
    adapter = save_lora(tmp_path / "toy", model, grammar="answer: /ab(c|d)*/", **shape)
    second_best = {str(token_of(ord("c"))): 1.0}
    async with running(spec_of(model, adapter=str(adapter)), cache=tmp_path) as engine:
        assert await said(engine, greedy(logit_bias=second_best)) == "ab"


async def test_a_wrong_grammar_in_a_card_is_refused(model: Path, tmp_path: Path) -> None:
    """By the adapter's name, before anything is loaded."""
    adapter = save_lora(tmp_path / "toy", model, grammar="answer: (((")
    engine = create_engine([spec_of(model, adapter=str(adapter))], EngineContext(tmp_path))
    with pytest.raises(ModelError, match=r"(?s)toy'.*grammar.*llguidance"):
        await engine.start()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"engine_options": {"parallel_requests": 3}}, id="options"),
        pytest.param({"model": "another"}, id="a base"),
    ],
)
async def test_models_of_one_process_agree(model: Path, other: Any) -> None:
    """The one that differs is named; `default_` options are each model's own."""
    first, fields = spec_of(model, "first"), {"model": model, "name": "second"} | other
    with pytest.raises(ValueError, match="'second'"):
        LlamaEngine({"first": first, "second": spec_of(**fields)}, EngineContext(model))

    own = spec_of(model, "second", engine_options={"default_temperature": 0})
    LlamaEngine({"first": first, "second": own}, EngineContext(model))


async def test_an_unknown_option_is_refused_by_name(model: Path) -> None:
    """With those that exist."""
    with pytest.raises(ValueError, match=r"engine_options\.slots.*parallel_requests"):
        create_engine([spec_of(model, engine_options={"slots": 1})], EngineContext(model))


async def test_an_adapter_of_a_base_in_several_files_is_applied(tmp_path: Path) -> None:
    """As of one in a single file."""
    answers = []
    for name, tensors_each in (("one", 0), ("several", 8)):
        base = save_gguf(tmp_path / f"{name}.gguf", tiny_weights(), tensors_each=tensors_each)
        adapter = save_lora(tmp_path / name, base, seed=1)
        async with running(spec_of(base, adapter=str(adapter)), cache=tmp_path) as engine:
            answers.append(await said(engine, greedy(max_tokens=20)))

    assert answers[0] == answers[1] != ""


async def test_an_adapter_of_another_base_is_refused(model: Path, tmp_path: Path) -> None:
    """By its card, or by its shape, before anything is loaded."""
    by_card = save_lora(tmp_path / "card", Path("another"))
    by_shape = save_lora(tmp_path / "shape", model, width=48)
    for adapter, words in ((by_card, "another"), (by_shape, "another base")):
        engine = LlamaEngine(
            {"tiny": spec_of(model, adapter=str(adapter))}, EngineContext(tmp_path)
        )
        with pytest.raises(ModelError, match=words):
            await engine.start()
        with pytest.raises(Unavailable):
            await engine.health("tiny")


async def test_a_model_that_llama_cannot_load_is_said_clearly(tmp_path: Path) -> None:
    """A file that is cut off, and an architecture that nobody knows."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(save_tiny_gguf(tmp_path / "whole.gguf").read_bytes()[:-100])
    unknown = save_gguf(tmp_path / "unknown.gguf", tiny_weights(), "unheard-of")
    for path in (cut, unknown):
        engine = create_engine([spec_of(path)], EngineContext(tmp_path))
        with pytest.raises(ModelError, match=path.name):
            await engine.start()


async def test_requests_in_flight_fail_when_the_engine_stops(model: Path) -> None:
    """With the error that lets another model answer; and so do later ones."""
    engine = create_engine([spec_of(model)], EngineContext(model))
    with pytest.raises(Unavailable):
        await engine.complete(greedy())
    await engine.start()
    stream = engine.stream(greedy(max_tokens=200))
    await anext(stream)
    await engine.stop()

    with pytest.raises(Unavailable):
        async for _ in stream:
            pass
    with pytest.raises(Unavailable):
        await engine.alive()
