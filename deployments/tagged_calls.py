"""Calls of functions as models write them: JSON between `<tool_call>` and `</tool_call>`.

Many models were trained for this form, and their chat templates write it. Where a template knows no
functions at all, this file writes what such a template would. Either way the form is ours, so that
the arguments follow the function's schema. A template that knows another form is the engine's to
read.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from deployments.answer_forms import ANY_TEXT, Form, json_rule, rule_of
from deployments.protocol import InvalidPrompt
from deployments.stops import possible_start
from deployments.tool_calls import Call

Calling = Literal["tags", "prompted", "other"]
"""How a model calls: its template writes the tags, or we do, or it has another form."""

_Part = Literal["text", "head", "arguments"]
_NEXT: Mapping[_Part, _Part] = {"text": "head", "head": "arguments", "arguments": "text"}
_OPEN, _CLOSE = "<tool_call>", "}\n</tool_call>"  # no JSON on one line has a raw line break
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


def callable_tools(fields: Mapping[str, Any]) -> list[Any]:
    """Those of a chat's `tools` that its answer may call.

    Raises:
        InvalidPrompt: one is no function with a name, or `tool_choice` is not among them.
    """
    tools, choice = fields.get("tools", []), fields.get("tool_choice", "auto")
    if not all(_name(tool) for tool in tools):
        raise InvalidPrompt("tools", "each is of type function, and has a name")
    match choice:
        case "auto" | "required":
            return list(tools)
        case "none":
            return []
    found = [tool for tool in tools if _name(tool) == _name(choice)]
    if not found:
        raise InvalidPrompt("tool_choice", f"no tool is called {_name(choice)!r}")
    return found


def form_of(fields: Mapping[str, Any]) -> Form | None:
    """What the answer to a chat follows, because of its tools and its `response_format`.

    Raises:
        InvalidPrompt: they are none.
    """
    tools, rule = callable_tools(fields), rule_of(fields.get("response_format", {"type": "text"}))
    if not tools:
        return None if rule is None else Form(rule, "response_format")
    may_say = fields.get("tool_choice", "auto") == "auto"
    instead = (rule or ANY_TEXT) if may_say else None
    rule = _calls_rule(tools, instead, several=fields.get("parallel_tool_calls", True))
    return Form(rule, "tools", calls=True, text=instead == ANY_TEXT)


def _calls_rule(tools: Sequence[Mapping[str, Any]], instead: str | None, *, several: bool) -> str:
    """The rule of an answer that calls functions; `instead`: that of one that calls none."""
    more = f'("\\n{_OPEN}" call)*' if several else ""
    calls = f'"{_OPEN}" call {more}'
    if instead == ANY_TEXT:
        calls = f'TEXT | before call {more}\nbefore[lazy]: TEXT "{_OPEN}"\nTEXT: {ANY_TEXT}'
    elif instead is not None:
        calls = f"other | {calls}\nother: {instead}"
    return f"{calls}\ncall: {' | '.join(_call_rule(tool['function']) for tool in tools)}"


def _call_rule(function: Mapping[str, Any]) -> str:
    arguments = json_rule({"type": "object"} | (function.get("parameters") or {}))
    head = begun(function["name"]).removeprefix(_OPEN) + ', "arguments": '
    return f"{json.dumps(head)} {arguments} {json.dumps(_CLOSE)}"


def begun(name: str) -> str:
    """How a call of a function begins."""
    return f'{_OPEN}\n{{"name": {json.dumps(name)}'


def call_text(name: str, arguments: str) -> str:
    """A call; `arguments` is JSON."""
    return f'{begun(name)}, "arguments": {arguments}{_CLOSE}'


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
    called = [call["function"] for call in message.get("tool_calls") or ()]
    calls = [call_text(function["name"], function["arguments"]) for function in called]
    return "\n".join(filter(None, [text, *calls]))


def _name(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    return function.get("name") if isinstance(function, dict) else None


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
