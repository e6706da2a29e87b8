"""The grammar of a specialist's answers, in its adapter's card: engines hold its chats to it.

It is written in the Lark dialect of llguidance, which llama.cpp and vLLM apply. Its rule `answer`
is a whole answer. `%copied {}` in place of a regular expression stands for words that follow each
other in the conversation, such as a name that the answer repeats. The object says how characters
are written: `%copied {"'": "''"}` doubles quotes, as a text of SQL does.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator

_COPIED = re.compile(r"%copied (\{.*\})")
_WORD = re.compile(r"\d+|[^\W\d]+|\W")

_FORMS = frozenset({"grammar", "response_format", "structured_outputs", "tools"})
_NOTHING_ASKED: tuple[Any, ...] = (None, False, [], {"type": "text"})


def asks_for_form(body: Mapping[str, Any]) -> bool:
    """Whether a request says itself what form its answer has, which comes before the card's."""
    return any(body.get(key) not in _NOTHING_ASKED for key in _FORMS)


def grammar_for(grammar: str, messages: Sequence[Any], end_token: int | None = None) -> str:
    """The grammar for the answer to a conversation, as an engine takes it.

    Args:
        grammar: the card's.
        messages: OpenAI's, of which the texts are read.
        end_token: the one with which the model ends an answer, where the engine does not know it.
    """
    words = _WORD.findall("\n".join(_texts(messages)))

    def run_of_words(found: re.Match[str]) -> str:
        spelling = str.maketrans(json.loads(found[1]))
        chunks = [word.translate(spelling) for word in words]
        return f"%regex {json.dumps({'substring_chunks': chunks})}"

    end = "" if end_token is None else f" <[{end_token}]>?"
    return f"%llguidance {{}}\nstart: answer{end}\n{_COPIED.sub(run_of_words, grammar)}"


def _texts(messages: Sequence[Any]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else [{"text": content}]:
            if isinstance(text := part.get("text"), str):
                yield text


def check_grammar(grammar: str) -> str:
    """The grammar of a card, read by llguidance: llama.cpp, which has its own, would ignore one
    that is wrong, without a word.

    Raises:
        ValueError: it cannot be read.
    """
    said = {"content": grammar}  # so that every character that it spells occurs
    try:
        lark = grammar_for(grammar, [said])
    except (TypeError, ValueError) as error:
        raise ValueError(f"`%copied` takes an object from characters to texts: {error}") from error
    from llguidance import LLMatcher  # noqa: PLC0415 - 8 MB, for the few cards with a grammar

    if fault := LLMatcher.validate_grammar(LLMatcher.grammar_from_lark(lark)):
        raise ValueError(f"llguidance cannot read the grammar: {fault}")
    return grammar


Grammar = Annotated[str, AfterValidator(check_grammar)]
