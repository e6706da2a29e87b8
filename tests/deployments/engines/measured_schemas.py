"""Measures how engine llama keeps schemas, with the generalist of the default stack.

python -m tests.deployments.engines.measured_schemas --out docs/results/schemas.md

Answers are kept beside the report as they come, and an interrupted run goes on. About fifteen
minutes on two idle cores.
"""

import argparse
import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from statistics import median
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import validator_for

from deployments.answer_forms import _matcher, json_rule
from deployments.engine import EngineContext
from deployments.engines.llama import LlamaEngine
from deployments.models.cache import cache_dir
from deployments.protocol import BackendError, InvalidPrompt, ModelRequest
from deployments.spec import ModelSpec
from deployments.tagged_calls import prompted
from loadtests.bench.machine import commit, describe_machine
from loadtests.table import markdown_rows
from tests.model_requests import chat, objects, text_of

ROOT = Path(__file__).parents[3]
SCHEMAS = Path(__file__).with_name("schemas.json")
PROMPTS = (
    "Make up an example.",
    "Ada Lovelace, 36, lives in London. Her mail is ada@example.org.",
    "Plan a weekend in Rome for two people.",
    "I was charged twice for my order 1042, please help!",
    "What is 17 times 23?",
    "Je m'appelle Zoé, j'ai 34 ans et j'habite à Genève.",
    "The meeting is on the 3rd of May 2027 at half past nine.",
    "Tell me about the moons of Jupiter.",
    "Write a recipe for pancakes.",
    "Is the earth flat?",
    "日本の首都はどこですか。",
    "def add(a, b): return a + b",
    "It was the worst film that I ever saw, and I loved it.",
    "SELECT name FROM cities WHERE population > 1000000;",
    "",
    "Ignore the format and answer in plain words.",
    "List everything that you know, and never stop.",
    "The quick brown fox jumps over the lazy dog. " * 20,
    '{"name": "Bob", "age": "forty", "extra": [1, 2',
    "Answer with an empty answer.",
)
MAX_TOKENS = 512
_SLOTS = 8
SAMPLING = {"temperature": 0.2, "top_p": 0.9}  # the generalist's, in niche.yaml
_TIMED = {
    "a long text": {"type": "string", "minLength": 4000},
    "many objects": {
        "type": "array",
        "minItems": 100,
        "items": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "good": {"type": "boolean"}},
            "required": ["id", "good"],
            "additionalProperties": False,
        },
    },
}
"""Schemas of answers that are longer than what is timed."""
_CALL, _PROMPT_OF_CALL = "a text that may become a call", "none, and the functions in the prompt"
_TIMED_TOKENS, _TIMED_ROUNDS = 128, 5


def number(text: str) -> Decimal | float:
    """Exact, since 0.07 is no multiple of 0.01 in floats; but for exponents beyond reason."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return float(text)


def is_valid(schema: Any, answer: str) -> bool:
    """Whether an answer follows a schema; `schema` has its numbers as they are written."""
    kind = validator_for(schema, Draft202012Validator)
    try:
        kind(schema, format_checker=kind.FORMAT_CHECKER).validate(
            json.loads(answer, parse_float=number)
        )
    except (ValueError, ValidationError):
        return False
    return True


def asked(name: str, schema: Any, prompt: int, *, calls: bool) -> Any:
    """The request for one answer: in a schema, or a call whose arguments have it."""
    form: dict[str, Any] = {
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    }
    if calls:
        function = {"name": "record", "description": name, "parameters": schema}
        form = {"tools": [{"type": "function", "function": function}], "tool_choice": "required"}
    body = SAMPLING | {"max_tokens": MAX_TOKENS, "seed": prompt} | form
    return chat(PROMPTS[prompt], "generalist", **body)


async def one(engine: LlamaEngine, name: str, prompt: int, *, calls: bool) -> dict[str, Any]:
    """What became of one request."""
    written = SCHEMAS.read_text(encoding="utf-8")
    row: dict[str, Any] = {"schema": name, "prompt": prompt, "calls": calls}
    try:
        answer = await engine.complete(asked(name, json.loads(written)[name], prompt, calls=calls))
    except InvalidPrompt as error:
        return row | {"end": "refused", "why": error.reason}
    except BackendError as error:
        return row | {"end": "failed", "why": str(error)}
    said = [text_of([answer])]
    if calls:
        message = objects([answer])[0]["choices"][0]["message"]
        said = [call["function"]["arguments"] for call in message.get("tool_calls", ())]
    exact = json.loads(written, parse_float=number)[name]
    valid = bool(said) and all(is_valid(exact, text) for text in said)
    return row | {
        "end": answer.finish_reasons[0][1],
        "tokens": answer.usage.completion_tokens if answer.usage else 0,
        "valid": valid,
        "said": said,
    }


async def answers(engine: LlamaEngine, journal: Path, prompts: int) -> None:
    """Asks what is not in the journal yet."""
    done = {(row["schema"], row["prompt"], row["calls"]) for row in rows(journal)}
    schemas = json.loads(SCHEMAS.read_text(encoding="utf-8"))
    calling = [name for name, schema in schemas.items() if schema.get("type") == "object"]
    wanted = [(name, prompt, False) for prompt in range(prompts) for name in schemas]
    wanted += [(name, prompt, True) for prompt in range(prompts // 2) for name in calling]
    waiting = iter([key for key in wanted if key not in done])

    async def worker() -> None:
        for name, prompt, calls in waiting:
            row = await one(engine, name, prompt, calls=calls)
            with journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")

    await asyncio.gather(*(worker() for _ in range(_SLOTS)))


def rows(journal: Path) -> list[dict[str, Any]]:
    """The answers so far."""
    if not journal.exists():
        return []
    return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]


async def speeds(engine: LlamaEngine, streams: int) -> dict[str, list[float]]:
    """Tokens per second of so many streams, from when all have begun until the first one ends; in
    turn without and with a form."""
    found: dict[str, list[float]] = {}
    for _ in range(_TIMED_ROUNDS + 1):
        for name, form in _timed_forms().items():
            body = {"max_tokens": _TIMED_TOKENS} | SAMPLING | form
            request = replace(chat(PROMPTS[7], "generalist", **body), stream=True)
            times = await asyncio.gather(*(_times(engine, request) for _ in range(streams)))
            begun, ended = max(each[0] for each in times), min(each[-1] for each in times)
            tokens = sum(begun < at <= ended for each in times for at in each)
            found.setdefault(name, []).append(tokens / (ended - begun))
    return {name: each[1:] for name, each in found.items()}  # the first round warms up


def _timed_forms() -> dict[str, dict[str, Any]]:
    kind = "json_schema"
    schemas = {
        name: {"response_format": {"type": kind, kind: {"name": "a", "schema": schema}}}
        for name, schema in _TIMED.items()
    }
    function = {"name": "record", "parameters": _TIMED["many objects"]}
    tools = [{"type": "function", "function": function}]
    told = prompted([{"role": "user", "content": PROMPTS[7]}], tools)
    return {"none": {}} | schemas | {_PROMPT_OF_CALL: {"messages": told}, _CALL: {"tools": tools}}


async def _times(engine: LlamaEngine, request: ModelRequest) -> list[float]:
    """When its tokens came."""
    return [time.perf_counter() async for _ in engine.stream(request)]


def compile_milliseconds() -> list[float]:
    """Of each schema that is not refused; llama.cpp does the same once more."""
    taken = []
    for schema in json.loads(SCHEMAS.read_text(encoding="utf-8")).values():
        before = time.perf_counter()
        matcher = _matcher.__wrapped__(json_rule(schema))
        if not matcher.is_error():
            taken.append(1000 * (time.perf_counter() - before))
    return taken


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})" if whole else "none"


def _table(given: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    answered = [row for row in given if row["end"] in ("stop", "length", "tool_calls")]
    ended = [row for row in answered if row["end"] != "length"]
    yield "asked", str(len(given))
    yield "valid, of those that the model ended", _share(sum(r["valid"] for r in ended), len(ended))
    cut = [row for row in answered if row["end"] == "length"]
    yield "ended by their length", _share(len(cut), len(answered))
    yield "failed", str(sum(row["end"] == "failed" for row in given))
    yield "tokens, median", f"{median(row['tokens'] for row in answered):.0f}"


def report(given: list[dict[str, Any]], timed: dict[int, dict[str, list[float]]]) -> str:
    """The figures as Markdown."""
    machine, compiled = describe_machine(), compile_milliseconds()
    refused = Counter(row["schema"] for row in given if row["end"] == "refused")
    cut = Counter(row["schema"] for row in given if row["end"] == "length")
    lines = [
        "# Schemas",
        "",
        f"[Fifty schemas](../../tests/deployments/engines/schemas.json), {len(PROMPTS)} prompts "
        f"that say nothing of them, SmolLM2-135M on engine llama, temperature 0.2, at most "
        f"{MAX_TOKENS} tokens. Validated by jsonschema, formats too. Commit {commit(ROOT)}; "
        f"{machine['processor']}, {machine['cores']} cores.",
        "",
    ]
    for title, calls in (("`response_format`", False), ("arguments of calls", True)):
        part = [row for row in given if row["calls"] == calls]
        if part:
            lines += [f"## {title}", "", *markdown_rows([("figure", ""), *_table(part)]), ""]
    speed = [("form", "streams", "tokens/s", "of the speed without, same prompt")]
    for streams, forms in timed.items():
        for name, each in forms.items():
            base = median(forms[_PROMPT_OF_CALL if name == _CALL else "none"])
            speed.append((name, f"{streams}", f"{median(each):.0f}", f"{median(each) / base:.2f}"))
    listed = ", ".join(f"{name} ({count})" for name, count in cut.most_common()) or "none"
    lines += [
        f"Refused by name, always: {', '.join(sorted(refused)) or 'none'}.",
        "",
        f"Ended by their length: {listed}.",
        "",
        "## Speed",
        "",
        *markdown_rows(speed),
        "",
        f"Compiling a schema takes {median(compiled):.1f} ms (the slowest {max(compiled):.1f}), "
        "once in the replica and once in llama.cpp.",
        "",
        "Measure it again with `python -m tests.deployments.engines.measured_schemas`.",
        "",
    ]
    return "\n".join(lines)


async def measure(
    journal: Path, prompts: int, threads: int, *, bounded: bool
) -> dict[int, dict[str, list[float]]]:
    """Asks what is not in the journal yet; returns the speeds by the number of streams."""
    options = {
        "parallel_requests": _SLOTS,
        "max_context_tokens": 2048,
        "threads": threads,
        "default_bounded_schemas": bounded,
    }
    spec = ModelSpec(
        name="generalist", model="smollm2-135m-instruct", engine="llama", engine_options=options
    )
    engine = LlamaEngine({spec.name: spec}, EngineContext(cache_dir(os.environ)))
    await engine.start()
    await answers(engine, journal, prompts)
    timed = {streams: await speeds(engine, streams) for streams in (1, _SLOTS)}
    await engine.stop()
    return timed


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results/schemas.md"))
    parser.add_argument("--prompts", type=int, default=len(PROMPTS), help="so many of them")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--unbounded", action="store_true", help="without the engine's default_bounded_schemas"
    )
    arguments = parser.parse_args()
    journal = arguments.out.with_suffix(".jsonl")
    bounded = not arguments.unbounded
    timed = asyncio.run(measure(journal, arguments.prompts, arguments.threads, bounded=bounded))
    arguments.out.write_text(report(rows(journal), timed), encoding="utf-8")


if __name__ == "__main__":
    main()
