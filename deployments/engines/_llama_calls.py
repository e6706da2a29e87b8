"""How models of llama.cpp call functions: in JSON between `<tool_call>` and `</tool_call>`.

Many models were trained for this form, and their chat templates write it. Where a template knows no
functions at all, this file writes what such a template would. Either way the grammar is ours, so
that the arguments follow the function's schema. A template that knows another form is llama.cpp's
to read, with its own grammar.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from deployments.engines._llama_forms import json_rule
from deployments.engines._stops import possible_start
from deployments.engines._tool_calls import Call

Calling = Literal["tags", "prompted", "other"]
"""How a model calls: its template writes the tags, or we do, or it has another form."""

_Part = Literal["text", "head", "arguments"]
_OPEN, _CLOSE = "<tool_call>", "}\n</tool_call>"  # no JSON on one line has a raw line break
ANY_TEXT = r"/(.|\n)*/"
"""The form of an answer that has none."""
_NEXT: Mapping[_Part, _Part] = {"text": "head", "head": "arguments", "arguments": "text"}
_HEAD = re.compile(r'\n\{"name": ("(?:[^"\\]|\\.)*"), "arguments": ')
_ANOTHER_FORM = re.compile(r"<function=|<arg_key>")
_INSTRUCTION = """\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within \
<tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""


def calling_of(chat_template: str) -> Calling:
    """How the model of a chat template calls."""
    if not re.search(r"\btools\b", chat_template):
        return "prompted"
    tags = _OPEN in chat_template and "arguments" in chat_template
    return "tags" if tags and not _ANOTHER_FORM.search(chat_template) else "other"


def calls_rule(
    tools: Sequence[Mapping[str, Any]], *, several: bool, instead: str | None = None
) -> str:
    """The form of an answer that calls these functions.

    Args:
        tools: OpenAI's.
        several: whether it may call more than once.
        instead: the form of an answer that calls none; None: it has to call.
    """
    more = f'("\\n{_OPEN}" call)*' if several else ""
    if instead == ANY_TEXT:
        answer = f'TEXT | before call {more}\nbefore[lazy]: TEXT "{_OPEN}"\nTEXT: {ANY_TEXT}'
    else:
        answer = f'"{_OPEN}" call {more}'
        if instead is not None:
            answer = f"other | {answer}\nother: {instead}"
    return f"{answer}\ncall: {' | '.join(_call_rule(tool['function']) for tool in tools)}"


def _call_rule(function: Mapping[str, Any]) -> str:
    head = f'\n{{"name": {json.dumps(function["name"])}, "arguments": '
    arguments = json_rule({"type": "object"} | (function.get("parameters") or {}))
    return f"{json.dumps(head)} {arguments} {json.dumps(_CLOSE)}"


def prompted(messages: Sequence[dict[str, Any]], tools: Sequence[Any]) -> list[dict[str, Any]]:
    """A conversation as a template takes it that knows no functions: calls and results are text."""
    written: list[dict[str, Any]] = []
    before = ""
    for message in messages:
        text = _as_text(message)
        if message["role"] == before == "tool":  # the results of one turn are one message
            written[-1]["content"] += f"\n{text}"
        else:
            role = "user" if message["role"] == "tool" else message["role"]
            written.append({"role": role, "content": text})
        before = message["role"]
    if not tools:
        return written
    instruction = _INSTRUCTION.format(tools="\n".join(json.dumps(tool) for tool in tools))
    if written[0]["role"] == "system":
        instruction = f"{written.pop(0)['content']}\n\n{instruction}"
    return [{"role": "system", "content": instruction}, *written]


def _as_text(message: Mapping[str, Any]) -> str:
    text = str(message.get("content") or "")
    if message["role"] == "tool":
        return f"<tool_response>\n{text}\n</tool_response>"
    calls = [
        f'{_OPEN}\n{{"name": {json.dumps(call["function"]["name"])}, "arguments": '
        f"{call['function']['arguments']}{_CLOSE}"
        for call in message.get("tool_calls") or ()
    ]
    return "\n".join(filter(None, [text, *calls]))


class CallReader:
    """Finds the calls in a text that comes in pieces.

    Attributes:
        count: how many have begun.
    """

    def __init__(self) -> None:
        self.count = 0
        self._held = ""
        self._part: _Part = "text"

    def push(self, piece: str, *, ends: bool) -> tuple[str, list[Call]]:
        """The text before the calls, and the calls' deltas, that can be shown now; `ends`: no more
        comes."""
        self._held += piece
        text, calls, found = "", dict[int, Call](), True
        while found:
            match self._part:
                case "text":
                    said, found = self._until(_OPEN, ends=ends)
                    text += "" if self.count else said
                case "head":
                    found = self._begin(calls)
                case "arguments":
                    said, found = self._until(_CLOSE, ends=ends)
                    self._add(calls, said)
            if found:
                self._part = _NEXT[self._part]
        return text, list(calls.values())

    def _until(self, mark: str, *, ends: bool) -> tuple[str, bool]:
        """What comes before a mark, and whether that was found."""
        said, found, rest = self._held.partition(mark)
        if not found and not ends:
            end = len(said) - possible_start(said, (mark,))
            said, rest = said[:end], said[end:]
        self._held = rest
        return said, bool(found)

    def _begin(self, calls: dict[int, Call]) -> bool:
        head = _HEAD.match(self._held)
        if head is None:
            return False
        self._held = self._held[head.end() :]
        function = {"name": json.loads(head[1]), "arguments": ""}
        calls[self.count] = {"index": self.count, "function": function}
        self.count += 1
        return True

    def _add(self, calls: dict[int, Call], arguments: str) -> None:
        if arguments:
            last = self.count - 1
            call = calls.setdefault(last, {"index": last, "function": {"arguments": ""}})
            call["function"]["arguments"] += arguments
