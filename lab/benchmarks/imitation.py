"""Does a generalist imitate the terse answers of specialists that it finds in its history?

    python -m lab.benchmarks.imitation --model smollm2-135m-instruct

asks the last message of 40 conversations, each after one or two answers of the default specialists
(`imitation.jsonl`), with several ways to present that history, and prints how many answers are
JSON, SQL, an equation or a label where prose was asked for.

The messages of the users were written for this; the answers are those that the default specialists
gave on engine llama, and the router sends every last message to the generalist. Ways were chosen on
the development half alone.
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deployments.engine import EngineContext, create_engine
from deployments.models.cache import cache_dir
from deployments.models.errors import ModelError
from deployments.protocol import ModelRequest
from deployments.spec import ModelSpec, Resources
from lab.comparison.errors import ComparisonError
from lab.comparison.journal import Journal
from lab.machine import commit, machine
from lab.statistics.interval import share_interval
from lab.statistics.jsonl import read_jsonl
from lab.statistics.table import Table
from router.bare_answers import introduced

CONVERSATIONS = Path(__file__).with_suffix(".jsonl")

HALVES = ("development", "test")
"""Of the conversations; ways are chosen on the first alone."""

Messages = Sequence[Mapping[str, str]]

_OPTIONS = {
    "max_context_tokens": 2048,
    "parallel_requests": 1,  # beside others, an answer may differ
    # As the default stack's generalist has them:
    "default_temperature": 0.2,
    "default_top_p": 0.9,
}

_NOTE = (
    "Answer the user's last message in plain sentences. Earlier answers in JSON, in SQL or as an "
    "equation belong to the messages before them alone."
)
_FEWEST_WORDS = 5
"""Fewer words beside a quotation explain nothing."""

_REWRITINGS: Mapping[str, Sequence[str]] = {
    "as asked": ("As asked, the structured result: {}",),
    "fenced": ("Here is the result that you asked for:\n\n```\n{}\n```",),
    "varied": (
        "Sure. The result of your request is {}, and I am glad to explain it if you like.",
        "For this one I found {}. Let me know whether it helps.",
        "Here you are: {}. What else can I do for you?",
    ),
}
"""What is put around a specialist's answers, in turn."""

_STRUCTURES = (
    re.compile(
        r"As asked, the structured|Here is the result that you|he result of (?:your|this) req"
    ),
    re.compile(r"For this one I found|Here you are:"),
    re.compile(r"```.*?(?:```|\Z)", re.DOTALL),
    re.compile(r"[\[{]\s*\".*[\]}]", re.DOTALL),  # JSON
    re.compile(r"[\[{]\s*\".*\Z", re.DOTALL),  # its beginning
    re.compile(r"\bSELECT\b.+?\bFROM\b[^\n]*", re.DOTALL),
    re.compile(r"[\d(][\d\s().+*/x-]*[+*/x-][\d\s().+*/x-]*=\s*-?[\d.]*"),  # an equation
    re.compile(r"\b[a-z]+(?:_[a-z]+)+\b"),  # a label
    re.compile(r"\A\s*\S*\s*\Z"),  # a single word
)
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation that a specialist began.

    Attributes:
        id: its name.
        half: `development` or `test`.
        domain: of the specialist.
        kind: what the last message is: a `question`, `chat`, `thanks`, or `about` an answer.
        expects: a good answer to a question has one of these, in lower case; empty: no telling.
        messages: of the user and of the specialist; the user's last.
    """

    id: str
    half: str
    domain: str
    kind: str
    expects: tuple[str, ...]
    messages: tuple[dict[str, str], ...]


def read_conversations(path: Path = CONVERSATIONS) -> list[Conversation]:
    """All conversations."""
    return read_jsonl(
        path,
        lambda fields: Conversation(
            **fields | {"expects": tuple(fields["expects"]), "messages": tuple(fields["messages"])}
        ),
    )


def imitates(answer: str, kind: str) -> bool:
    """Whether an answer is in a specialist's form where prose was asked for.

    A question about an answer may quote it in prose; elsewhere each structure counts.
    """
    rest = answer
    for structure in _STRUCTURES:
        rest = structure.sub(" ", rest)
    quotes = kind == "about" and len(_WORD.findall(rest)) >= _FEWEST_WORDS
    return rest != answer and not quotes


def _today(messages: Messages) -> Messages:
    return messages


def _note(messages: Messages) -> Messages:
    return [{"role": "system", "content": _NOTE}, *messages]


def _rewriting(words: Callable[[str, int], str]) -> Callable[[Messages], Messages]:
    def rewritten(messages: Messages) -> Messages:
        return [
            turn if turn["role"] == "user" else {**turn, "content": words(turn["content"], at)}
            for at, turn in enumerate(messages)
        ]

    return rewritten


def _in_turn(forms: Sequence[str]) -> Callable[[str, int], str]:
    return lambda answer, at: forms[at // 2 % len(forms)].format(answer)


def _dropping(messages: Messages) -> Messages:
    return messages[-1:]


WAYS: Mapping[str, Callable[[Messages], Messages]] = {
    "as it is": _today,
    "note first": _note,
    **{name: _rewriting(_in_turn(forms)) for name, forms in _REWRITINGS.items()},
    "introduced": _rewriting(introduced),
    "dropped": _dropping,
}
"""How the history is presented to the generalist; `introduced` is how the gateway does."""


async def answers(
    conversations: Sequence[Conversation],
    ways: Sequence[str],
    ask: Callable[[Messages], Awaitable[str]],
    journal: Journal,
) -> dict[tuple[str, str], str]:
    """The answer to each conversation in each way; those of the journal are not asked again."""
    found = {(line["way"], line["id"]): line["answer"] for line in journal.read()}
    for way in ways:
        for conversation in conversations:
            if (way, conversation.id) not in found:
                answer = await ask(WAYS[way](conversation.messages))
                found[way, conversation.id] = answer
                journal.append({"way": way, "id": conversation.id, "answer": answer})
        print(f"{way}: {len(conversations)} answered", file=sys.stderr)
    return found


def table(
    half: str,
    conversations: Sequence[Conversation],
    ways: Sequence[str],
    found: Mapping[tuple[str, str], str],
) -> Table:
    """The figures of one half of the conversations; one row per way."""
    those = [of for of in conversations if of.half == half]
    rows = []
    for way in ways:
        given = [(of, found[way, of.id]) for of in those]
        about = [imitates(said, of.kind) for of, said in given if of.kind == "about"]
        told = [_has_one(said, of.expects) for of, said in given if of.expects]
        words = [len(_WORD.findall(said)) for _, said in given]
        imitating = _share([imitates(said, of.kind) for of, said in given])
        counted = f"{sum(about)} of {len(about)}"
        rows.append((way, imitating, counted, _share(told), f"{np.mean(words):.0f}"))
    titles = ("history", "imitating", "about an answer", "has an expected word", "words")
    return Table(titles, tuple(rows), f"{half} ({len(those)} conversations)")


def _share(hits: Sequence[bool]) -> str:
    share = share_interval(hits)
    return f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]"


def _has_one(answer: str, words: Sequence[str]) -> bool:
    return any(word in answer.lower() for word in words)


async def _measure(arguments: argparse.Namespace) -> None:
    conversations = [of for of in read_conversations() if of.half in arguments.halves]
    spec = ModelSpec(
        name="generalist",
        model=arguments.model,
        engine_options=_OPTIONS | {"default_max_tokens": arguments.max_tokens},
        resources=Resources(num_cpus=arguments.threads),
    )
    engine = create_engine([spec], EngineContext(cache_dir(os.environ)))

    async def ask(messages: Messages) -> str:
        body = {"messages": messages, "seed": arguments.seed}
        request = ModelRequest("", spec.name, "chat", json.dumps(body).encode())
        chunk = await engine.complete(request)
        return str(json.loads(chunk.data)["choices"][0]["message"]["content"] or "")

    await engine.start()
    try:
        found = await answers(conversations, arguments.ways, ask, _journal(arguments))
    finally:
        await engine.stop()
    print(f"{Path(arguments.model).name}; commit {commit()}; {machine()}")
    for half in arguments.halves:
        print(f"\n{table(half, conversations, arguments.ways, found).markdown()}")


def _journal(arguments: argparse.Namespace) -> Journal:
    arguments.out.mkdir(parents=True, exist_ok=True)
    conditions = {
        "model": arguments.model,
        "max_tokens": arguments.max_tokens,
        "seed": arguments.seed,
        "conversations": hashlib.sha256(CONVERSATIONS.read_bytes()).hexdigest(),
    }
    return Journal(arguments.out / f"{Path(arguments.model).name}.jsonl", conditions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab.benchmarks.imitation",
        description="Measures how often a generalist imitates the answers of specialists before "
        "it. Run the same command again to continue an interrupted run.",
    )
    add = parser.add_argument
    add("--model", required=True, help="the generalist, as `model` in niche.yaml for engine llama")
    add("--threads", type=int, default=1, help="CPU threads (default: 1)")
    add("--max-tokens", type=int, default=48, help="of each answer (default: 48)")
    add(
        "--halves",
        nargs="+",
        choices=HALVES,
        default=HALVES,
        help="of the conversations (default: both)",
    )
    add("--seed", type=int, default=0, help="of each answer (default: 0)")
    add("--out", type=Path, default=Path("work/imitation"), help="folder of the answers")
    add(
        "--ways",
        nargs="+",
        choices=WAYS,
        default=list(WAYS),
        metavar="WAY",
        help=f"how the history is presented (default: all): {', '.join(WAYS)}",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measures a generalist; exit codes: 0 done, 2 cannot run, 130 interrupted."""
    try:
        asyncio.run(_measure(_parser().parse_args(argv)))
    except (ComparisonError, ModelError, OSError, ValueError) as error:
        print(f"imitation: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("imitation: stopped; run the same command to continue", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
