"""The fake engine, and the rules that every engine shares."""

import asyncio
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.capability import Capability
from deployments.engine import EngineContext, create_engine, parse_options
from deployments.engines.fake import FakeEngine, FakeOptions, create
from deployments.generation import Piece, Prompt, Sampling, with_system_prompt
from deployments.protocol import (
    DeadlineExceeded,
    InvalidPrompt,
    Message,
    Overloaded,
    PromptTooLong,
    Unavailable,
)
from deployments.spec import ModelSpec
from tests.deployments.tiny_lora import save_lora
from tests.model_requests import chat, objects, text_of

CONTEXT = EngineContext(Path("unused"))
HELLO = (Message("user", "hello there"),)


def engine(system_prompt=None, **options):
    spec = ModelSpec(
        name="tiny",
        model="m",
        engine="fake",
        engine_options=options,
        system_prompt=system_prompt,
    )
    return FakeEngine(spec, parse_options(FakeOptions, spec))


def backend(**fields):
    return create_engine([ModelSpec(name="tiny", model="m", engine="fake", **fields)], CONTEXT)


def prompt(messages=HELLO, deadline_seconds=None, **sampling):
    return Prompt("r1", messages, sampling=Sampling(**sampling), deadline_seconds=deadline_seconds)


async def ask(fake, asked) -> list[Piece]:
    return [piece async for piece in fake.generate(asked)]


async def collect(fake, asked, texts) -> None:
    """Like `ask`, but what came before a failure is not lost."""
    async for piece in fake.generate(asked):
        texts.append(piece.text)


def text(pieces) -> str:
    return "".join(piece.text for piece in pieces)


async def test_the_engine_that_a_spec_names_answers_requests():
    """`create_engine` makes a backend of the text engine."""
    spec = ModelSpec(name="tiny", model="m", engine="fake", engine_options={"reply": "a b"})

    answer = await create_engine([spec], CONTEXT).complete(chat(max_tokens=1))

    assert (text_of([answer]), answer.finish_reasons) == ("a", ((0, "length"),))


async def test_the_same_prompt_gets_the_same_answer():
    """Two engines of one spec answer one prompt alike, and name the model and the message."""
    first, second = await ask(engine(), prompt()), await ask(engine(), prompt())
    assert first == second
    assert text(first).startswith("tiny answers ")
    assert text(first).endswith(" to: hello there")


@pytest.mark.parametrize("here", [True, False], ids=["here", "nowhere"])
async def test_an_adapters_card_completes_answers(tmp_path, here):
    """As on every engine; of an adapter that is not here nothing is known."""
    adapter = save_lora(tmp_path / "math", Path("base"), complete="calculator")
    spec = ModelSpec(
        name="tiny",
        model="m",
        engine="fake",
        adapter=str(adapter) if here else "nowhere",
        engine_options={"reply": "7*12="},
    )
    backend = create_engine([spec], CONTEXT)
    chunks = [chunk async for chunk in backend.stream(chat())]

    wanted = "7*12= 84" if here else "7*12="
    assert text_of(chunks) == text_of([await backend.complete(chat())]) == wanted
    assert chunks[-1].usage.completion_tokens == 1


async def test_another_conversation_gets_another_answer():
    """The digest is of the whole conversation, not of its last message alone."""
    longer = (Message("user", "before"), Message("assistant", "yes"), *HELLO)
    assert text(await ask(engine(), prompt())) != text(await ask(engine(), prompt(longer)))


async def test_only_the_last_chunk_has_reason_and_usage():
    """Every piece but the last is one token; the last one counts them."""
    pieces = await ask(engine(reply="a b c"), prompt())
    assert [piece.tokens for piece in pieces] == [1, 1, 1, 0]
    assert [piece.finish_reason for piece in pieces] == [None, None, None, "stop"]
    assert [piece.usage is None for piece in pieces] == [True, True, True, False]
    assert (pieces[-1].usage.prompt_tokens, pieces[-1].usage.completion_tokens) == (2, 3)


@pytest.mark.parametrize(("limit", "shown", "reason"), [(2, "a b", "length"), (3, "a b c", "stop")])
async def test_max_tokens_cuts_the_answer(limit, shown, reason):
    """An answer that is longer than `max_tokens` ends there with `length`."""
    pieces = await ask(engine(reply="a b c"), prompt(max_tokens=limit))
    assert (text(pieces), pieces[-1].finish_reason) == (shown, reason)


@pytest.mark.parametrize(
    ("stop", "shown", "tokens"),
    [
        (("wo th",), "one t", 3),  # across the border of two tokens
        (("e", "wo"), "on", 1),  # the first that occurs counts
        (("four",), "one two three", 3),  # held back in vain, so shown at the end
        (("three!",), "one two three", 3),
    ],
)
async def test_stop_strings_end_the_answer_and_are_not_shown(stop, shown, tokens):
    """Text before a stop string is shown, the stop string is not."""
    pieces = await ask(engine(reply="one two three"), prompt(stop=stop))
    assert text(pieces) == shown
    assert pieces[-1].finish_reason == "stop"
    assert pieces[-1].usage.completion_tokens == tokens


async def test_logprobs_are_given_when_asked():
    """With `top_logprobs` each token has itself and alternatives, together no more than certain."""
    pieces = await ask(engine(reply="a b"), prompt(top_logprobs=3))
    (token,) = pieces[0].logprobs
    assert token.token == "a"
    assert token.top[0] == ("a", token.logprob)
    assert len(token.top) == 3
    assert sum(math.exp(logprob) for _, logprob in token.top) <= 1
    assert (await ask(engine(reply="a b"), prompt(top_logprobs=0)))[0].logprobs[0].top == ()
    assert (await ask(engine(reply="a b"), prompt()))[0].logprobs == ()


async def test_a_deadline_ends_a_slow_answer():
    """The tokens that are in time come, then `DeadlineExceeded` with the prompt's own limit."""
    slow, got = engine(reply="a b c", token_seconds=0.02), []
    with pytest.raises(DeadlineExceeded) as caught:
        await collect(slow, prompt(deadline_seconds=0.03), got)
    assert got == ["a", " b"]
    assert caught.value.seconds == 0.03
    assert (await slow.load()).failed == 1


async def test_time_passes_as_the_options_say():
    """The usage's engine seconds are those of the options, and they really pass."""
    started = asyncio.get_running_loop().time()
    pieces = await ask(
        engine(reply="a b c", first_token_seconds=0.03, token_seconds=0.01), prompt()
    )
    assert asyncio.get_running_loop().time() - started >= 0.045
    assert pieces[-1].usage.engine_seconds == pytest.approx(0.05)
    assert pieces[-1].usage.prefill_seconds == pytest.approx(0.03)


async def test_leaving_early_counts_as_cancelled():
    """A caller who stops reading frees the slot; its request is neither completed nor failed."""
    fake = engine(reply="a b c")
    stream = fake.generate(prompt())
    await anext(stream)
    assert (await fake.load()).running == 1
    await stream.aclose()
    load = await fake.load()
    assert (load.running, load.cancelled, load.completed, load.failed) == (0, 1, 0, 0)
    assert load.generated_tokens == 1


async def test_a_cancelled_task_counts_as_cancelled():
    """Cancelling the task that waits for a token is leaving early too."""
    fake = engine(first_token_seconds=30)
    task = asyncio.create_task(ask(fake, prompt()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await fake.load()).cancelled == 1


async def test_leaving_after_the_last_chunk_counts_as_completed():
    """Who has the finish reason has the whole answer, though the stream was not run to its end."""
    fake = engine(reply="a")
    stream = fake.generate(prompt())
    while (await anext(stream)).finish_reason is None:
        pass
    await stream.aclose()
    load = await fake.load()
    assert (load.completed, load.cancelled) == (1, 0)


async def test_further_requests_wait_for_a_slot():
    """Of all models of the process together; who is cancelled while it waits leaves."""
    specs = [ModelSpec(name=name, model="none", engine="fake") for name in ("first", "second")]
    options = {"parallel_requests": 1, "first_token_seconds": 30}
    specs = [spec.model_copy(update={"engine_options": options}) for spec in specs]
    group = create(specs, EngineContext(Path()))
    tasks = [asyncio.create_task(group.complete(chat(model=spec.name))) for spec in specs]
    await asyncio.sleep(0.01)

    first, second = await group.load("first"), await group.load("second")
    assert (first.running, first.queued, first.slots) == (1, 0, 1)
    assert (second.running, second.queued, second.slots) == (1, 1, 1)
    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    assert (await group.load("second")).queued == 0
    tasks[0].cancel()
    await asyncio.wait([tasks[0]])


async def test_a_deadline_counts_the_wait_for_a_slot():
    """And ends it."""
    spec = ModelSpec(name="m", model="none", engine="fake")
    options = {"parallel_requests": 1, "first_token_seconds": 30}
    group = create([spec.model_copy(update={"engine_options": options})], EngineContext(Path()))
    running = asyncio.create_task(group.complete(chat(model="m")))
    await asyncio.sleep(0.01)

    with pytest.raises(DeadlineExceeded):
        await group.complete(replace(chat(model="m"), deadline_seconds=0.01))
    running.cancel()
    await asyncio.wait([running])


async def test_the_load_names_recent_requests():
    """A completed request is counted and its id is kept."""
    fake = engine(reply="a b")
    await ask(fake, prompt())
    load = await fake.load()
    assert (load.completed, load.generated_tokens, load.recent_tokens) == (1, 2, {"r1": 2})


async def test_an_overloaded_engine_refuses():
    """`overloaded` refuses before the first piece, with a time to wait."""
    with pytest.raises(Overloaded) as caught:
        await ask(engine(overloaded=True), prompt())
    assert caught.value.retry_after_seconds > 0


async def test_an_engine_dies_after_so_many_requests():
    """After `unavailable_after` requests neither answers nor health checks succeed."""
    fake = engine(unavailable_after=1)
    await fake.health()
    await ask(fake, prompt())
    with pytest.raises(Unavailable):
        await ask(fake, prompt())
    with pytest.raises(Unavailable):
        await fake.health()


async def test_an_engine_can_break_in_the_middle():
    """`break_after_tokens` gives that many tokens and then fails."""
    got = []
    with pytest.raises(Unavailable):
        await collect(engine(reply="a b c", break_after_tokens=2), prompt(), got)
    assert got == ["a", " b"]


async def test_braces_in_a_message_are_only_text():
    """What a user writes is never a template."""
    asked = prompt((Message("user", "{model} {0}"),))
    assert text(await ask(engine(reply="{message}"), asked)) == "{model} {0}"


async def test_a_bare_text_is_continued():
    """A prompt without messages is answered too."""
    pieces = await ask(engine(reply="{message}!"), Prompt("r1", text="x y"))
    assert text(pieces) == "x y!"
    assert pieces[-1].usage.prompt_tokens == 2


async def test_the_card_names_the_model():
    """The model card repeats the spec."""
    card = await engine().model_card()
    assert (card.name, card.engine, card.model) == ("tiny", "fake", "m")


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"colour": 1}, "engine_options.colour"),
        ({"token_seconds": -1}, "engine_options.token_seconds"),
        ({"reply": "{nobody}"}, "engine_options.reply"),
        ({"reply": "{"}, "engine_options.reply"),
    ],
)
def test_wrong_options_are_named(options, key):
    """A fault in the options names `engine_options.KEY`."""
    spec = ModelSpec(name="tiny", model="m", engine="fake", engine_options=options)
    with pytest.raises(ValueError, match=key):
        create([spec], CONTEXT)


def test_options_cannot_be_changed():
    """Options are frozen."""
    with pytest.raises(ValueError, match="frozen"):
        FakeOptions().overloaded = True


def test_the_system_prompt_comes_first():
    """A conversation without a system message gets the spec's."""
    said = with_system_prompt(prompt(), "be brief")
    assert said.messages == (Message("system", "be brief"), *HELLO)


@pytest.mark.parametrize(
    ("asked", "system_prompt"),
    [
        (prompt((*HELLO, Message("system", "mine"))), "be brief"),
        (prompt(), None),
        (Prompt("r1", text="x"), "be brief"),
    ],
    ids=["has its own", "none configured", "bare text"],
)
def test_the_system_prompt_is_left_out(asked, system_prompt):
    """A system message of the client, a bare text and an absent setting change nothing."""
    assert with_system_prompt(asked, system_prompt) is asked


async def test_the_fake_counts_its_system_prompt():
    """The configured system prompt is part of what the model reads."""
    pieces = await ask(engine(system_prompt="be very brief"), prompt())
    assert pieces[-1].usage.prompt_tokens == 5


def tool(name, **properties):
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [tool("get_weather", city={"type": "string"}), tool("get_time"), tool("add")]


@pytest.mark.parametrize(
    ("said", "called"),
    [
        ("What is 2 and 2?", []),
        ("Please get_time!", ["get_time"]),
        ("get_time, then get_weather", ["get_weather", "get_time"]),
    ],
    ids=["none", "one", "two"],
)
async def test_the_functions_that_a_user_names_are_called(said, called):
    """And no others: so a test says what is to be called."""
    answer = await backend().complete(chat(said, tools=TOOLS))
    (choice,) = objects([answer])[0]["choices"]
    calls = choice["message"].get("tool_calls", [])

    assert [call["function"]["name"] for call in calls] == called
    assert choice["finish_reason"] == ("tool_calls" if called else "stop")
    assert (choice["message"]["content"] is None) == bool(called)
    assert len({call["id"] for call in calls}) == len(calls)
    weather = [json.loads(call["function"]["arguments"]) for call in calls[:1] if len(called) > 1]
    assert all(type(arguments["city"]) is str for arguments in weather)


async def test_the_result_of_a_call_ends_a_loop():
    """The model speaks, though the result has a function's name in it."""
    turns = [{"role": "user", "content": "get_time"}, {"role": "tool", "content": "get_time: 9"}]
    answer = await backend().complete(chat(messages=turns, tools=TOOLS))

    assert text_of([answer]).endswith("get_time: 9")


async def test_a_form_that_nothing_follows_is_refused():
    """By its name."""
    form = {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}
    with pytest.raises(InvalidPrompt) as refused:
        await backend().complete(chat(response_format=form))

    assert refused.value.parameter == "response_format"


async def test_images_are_for_models_that_are_said_to_see_them():
    """By niche.yaml; else their place is named."""
    parts = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    seeing = backend(capabilities=frozenset({Capability.IMAGES}))

    assert text_of([await seeing.complete(chat(parts))])
    with pytest.raises(InvalidPrompt) as refused:
        await backend().complete(chat(parts))
    assert refused.value.parameter == "messages[0].content[0]"


async def test_a_context_limits_prompt_and_answer():
    """What does not fit is refused; a limit of tokens that does not fit is told where it may be
    clamped."""
    short = backend(engine_options={"reply": "a b c", "max_context_tokens": 4})
    request = chat("one two", max_tokens=9)
    clamped = await short.complete(replace(request, clamp_max_tokens=True))

    assert (text_of([clamped]), clamped.finish_reasons) == ("a b", ((0, "length"),))
    assert clamped.not_applied == ("max_tokens",)
    assert (await short.complete(request)).not_applied == ()
    [card] = await short.cards()
    assert card.max_context_tokens == 4
    with pytest.raises(PromptTooLong) as refused:
        await short.complete(chat("one two three four"))
    assert refused.value.parameter == "messages"


async def test_the_last_requests_are_kept_on_demand():
    """As they reached the engine; without the option none."""
    forgetful, recording = backend(), backend(engine_options={"recorded_requests": 2})
    asked = [chat("first"), replace(chat("second"), operation="count_tokens"), chat("third")]
    for made in (forgetful, recording):
        for request in asked[:2]:
            await made.complete(request)
        assert [chunk async for chunk in made.stream(asked[2])]

    assert list(forgetful.engines["tiny"].requests) == []
    assert list(recording.engines["tiny"].requests) == asked[1:]
