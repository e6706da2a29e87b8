"""How a generalist is asked: fair prompts for each niche, as data.

A generalist was not trained for a niche, so its prompt says what a specialist knows: the task, the
form of the answer, and every label or function there is (read from the training rows). Few-shot
prompts say the same and show examples as earlier turns of the chat, drawn from the training rows. A
niche without a prompt here, such as a user's own, is asked with its system prompt.

The ways of asking were compared on validation rows, never on test rows; see `FEW_SHOT`.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template

from deployments.protocol import Message
from lab.specialists.evaluation.shots import Shots
from lab.specialists.niches.niche import Example, Niche


@dataclass(frozen=True)
class Way:
    """Where the instruction stands, and which examples are shown (None: no examples).

    `within` puts the instruction into the user's message, before the question; else it is the
    system message.
    """

    name: str
    shots: Shots | None = None
    within: bool = False


WAYS: Mapping[str, Way] = {
    way.name: way
    for way in (
        Way("zero-shot"),
        Way("zero-shot within", within=True),
        Way("fixed 8", Shots("fixed", 8)),
        Way("nearest 8", Shots("nearest", 8)),
    )
}

INSTRUCTIONS: Mapping[str, str] = {
    "sql": (
        "Write one SQLite query that answers the question about the table t. Answer with the query "
        "alone. Put column names in double quotes and values in single quotes, like this: "
        """SELECT "column" FROM t WHERE "other column" = 'value'. """
        "Use COUNT, MAX, MIN, SUM or AVG where the question asks for it."
    ),
    "tools": (
        "Turn the request into one function call. Answer with JSON alone, like this: "
        '{"name": "function", "arguments": {"argument": "value"}}. Values are copied from the '
        "request; leave out arguments that it does not give. The functions and their arguments:\n"
        "$functions"
    ),
    "math": (
        "Solve the word problem. Answer with the arithmetic alone, in one line that ends with an "
        "equals sign; the result will be worked out for you. Like this: (3 + 4) * 2 ="
    ),
    "biomed": (
        "List the chemicals and the diseases that the sentence mentions, copied as they stand "
        "there, in their order. Answer with JSON alone, like this: "
        '{"chemicals": ["aspirin"], "diseases": ["headache"]}. A list is empty where nothing fits.'
    ),
    "support": (
        "Name the intent of a bank customer's message. Answer with JSON alone, like this: "
        '{"intent": "card_arrival"}. The intents are: $intents.'
    ),
}
"""What is said of each task; `$functions` and `$intents` are read from the training rows."""

REASONED: Mapping[str, str] = {
    "math": (
        "Solve the word problem step by step, in few words. End with the number that is the answer."
    ),
}
"""What is said instead where no examples show a short answer, and a model may think aloud."""

REASONING_TOKENS = 256
"""Room for an answer that thinks aloud: what the default stack gives a generalist."""

ZERO_SHOT, FEW_SHOT = WAYS["zero-shot"], WAYS["nearest 8"]
"""The better way without examples and the better one with them.

On 40 validation rows of each niche, SmolLM2-135M-Instruct, under the niche's first measure:

                        sql    tools  math   biomed  support
    zero-shot           0.00   0.00   0.00   0.01    0.00
    zero-shot within    0.00   0.00   0.02   0.01    0.00
    fixed 8             0.05   0.00   0.04   0.19    0.15
    nearest 8           0.23   0.08   0.17   0.45    0.60

(math on 48 rows; without examples as in `REASONED`, and 0.02 with the short form and 64 tokens: it
cannot do it either way, and a larger model is better off with the former.)
"""


def ask(
    way: Way,
    niche: Niche,
    questions: Sequence[str],
    train: Sequence[Example],
    instructions: Mapping[str, str] = INSTRUCTIONS,
) -> list[tuple[Message, ...]]:
    """The chats that put the questions to a generalist.

    Args:
        way: how.
        niche: whose task it is.
        questions: as users write them.
        train: the niche's training rows: labels and functions, and examples, come from these.
        instructions: by niche; one without any is asked with its system prompt.
    """
    said = instructions.get(niche.name, niche.system_prompt)
    if way.shots is None:
        said = REASONED.get(niche.name, said)
    said = _filled(said, train)
    if way.shots is None:
        shown: list[list[Example]] = [[]] * len(questions)
    else:
        alike = [
            example for example in train if example.prompt.startswith(_LAYOUT.get(niche.name, ""))
        ]
        shown = way.shots.of(alike, questions)
    return [
        _chat(way, said, examples, question)
        for examples, question in zip(shown, questions, strict=True)
    ]


def room(way: Way, niche: Niche) -> int:
    """How many tokens an answer may have: the niche's own limit, more for one that reasons."""
    reasons = way.shots is None and niche.name in REASONED
    return max(niche.max_answer_tokens, REASONING_TOKENS) if reasons else niche.max_answer_tokens


_LAYOUT = {"sql": "Columns: "}
"""How the prompts begin of training rows that are laid out as the test rows are."""


def _chat(way: Way, said: str, examples: Sequence[Example], question: str) -> tuple[Message, ...]:
    earlier = [
        message
        for example in examples
        for message in (Message("user", example.prompt), Message("assistant", example.answer))
    ]
    if way.within:
        return (*earlier, Message("user", f"{said}\n\n{question}"))
    return (Message("system", said), *earlier, Message("user", question))


def _filled(said: str, train: Sequence[Example]) -> str:
    if "$functions" in said:
        return Template(said).substitute(functions=_functions(train))
    if "$intents" in said:
        return Template(said).substitute(intents=_intents(train))
    return said


def _functions(train: Sequence[Example]) -> str:
    """A line for each function: its name, and its arguments by how often they are given."""
    given: dict[str, Counter[str]] = {}
    for example in train:
        call = json.loads(example.answer)
        given.setdefault(call["name"], Counter()).update(call["arguments"].keys())
    lines = (
        f"{name}({', '.join(argument for argument, _ in arguments.most_common())})"
        for name, arguments in sorted(given.items())
    )
    return "\n".join(lines)


def _intents(train: Sequence[Example]) -> str:
    return ", ".join(sorted({json.loads(example.answer)["intent"] for example in train}))
