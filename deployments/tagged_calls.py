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

Calling = Literal["tags", "prompted", "native"]
"""How a model calls: its template writes the tags, or we do, or it has another form."""

_Part = Literal["text", "head", "arguments"]
_NEXT: Mapping[_Part, _Part] = {"text": "head", "head": "arguments", "arguments": "text"}
_OPEN, _CLOSE = "<tool_call>", "}\n</tool_call>"  # no JSON on one line has a raw line break
_HEAD = re.compile(r'\n\{"name": ("(?:[^"\\]|\\.)*"), "arguments": ')
_ANOTHER_FORM = re.compile(r"<function=|<arg_key>")
_PLAIN = frozenset({"$defs", "$schema", "definitions", "description", "properties", "required"})
_PLAIN |= {"title", "type"}
"""Keys of a schema that says nothing of further properties."""
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
    return "tags" if tags and not _ANOTHER_FORM.search(chat_template) else "native"


def callable_tools(fields: Mapping[str, Any]) -> list[Any]:
    """Those of a chat's `tools` that its answer may call.

    Raises:
        InvalidPrompt: one is no function with a name, or `tool_choice` is not among them.
    """
    tools, choice = fields.get("tools", []), fields.get("tool_choice", "auto")
    if not all(_name(tool) and _has_schema(tool) for tool in tools):
        raise InvalidPrompt("tools", "each is a function with a name; its parameters are a schema")
    match choice:
        case "auto" | "required":
            return list(tools)
        case "none":
            return []
    found = [tool for tool in tools if _name(tool) == _name(choice)]
    if not found:
        raise InvalidPrompt("tool_choice", f"no tool is called {_name(choice)!r}")
    return found


def form_of(
    fields: Mapping[str, Any], max_tokens: int | None = None, most_calls: int | None = None
) -> Form | None:
    """What the answer to a chat follows, because of its tools and its `response_format`.

    Args:
        fields: those of the request.
        max_tokens: the longest answer, if that is known.
        most_calls: the calls that an answer may have; None: any number.

    Raises:
        InvalidPrompt: they are none.
    """
    tools = callable_tools(fields)
    try:
        rule = rule_of(fields.get("response_format", {"type": "text"}), max_tokens)
        calls = [_call_rule(tool["function"], max_tokens) for tool in tools]
    except RecursionError:
        blamed = "tools" if tools else "response_format"
        raise InvalidPrompt(blamed, "a schema is nested too deeply") from None
    if not tools:
        return None if rule is None else Form(rule, "response_format")
    choice = fields.get("tool_choice", "auto")
    instead = (rule or ANY_TEXT) if choice == "auto" else None
    rule = _calls_rule(calls, instead, most_calls if may_call_again(fields) else 1)
    return Form(rule, "tools", calls=True, text=instead == ANY_TEXT)


def may_call_again(fields: Mapping[str, Any]) -> bool:
    """Whether an answer may have several calls. Who names a function wants one call of it; a small
    model would repeat it."""
    by_name = not isinstance(fields.get("tool_choice", "auto"), str)
    return not by_name and bool(fields.get("parallel_tool_calls", True))


def _calls_rule(calls: Sequence[str], instead: str | None, most: int | None) -> str:
    """The rule of an answer that calls functions; `instead`: that of one that calls none; `most`:
    the number of calls."""
    more = (
        "" if most == 1 else f'("\\n{_OPEN}" call)' + ("*" if most is None else f"{{0,{most - 1}}}")
    )
    rule = f'"{_OPEN}" call {more}'
    if instead == ANY_TEXT:
        rule = f'TEXT | before call {more}\nbefore[lazy]: TEXT "{_OPEN}"\nTEXT: {ANY_TEXT}'
    elif instead is not None:
        rule = f"other | {rule}\nother: {instead}"
    return f"{rule}\ncall: {' | '.join(calls)}"


def _call_rule(function: Mapping[str, Any], max_tokens: int | None) -> str:
    """The rule of a call, after its opening tag."""
    arguments = json_rule(_closed(function.get("parameters") or {"properties": {}}), max_tokens)
    head = begun(function["name"]).removeprefix(_OPEN) + ', "arguments": '
    return f"{json.dumps(head)} {arguments} {json.dumps(_CLOSE)}"


def _closed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of these names alone, where nothing is said of others: a function in most
    languages fails on an argument that it does not have."""
    schema = {"type": "object", **parameters}
    named = schema.get("properties")
    if (
        isinstance(named, dict)
        and schema.keys() <= _PLAIN
        and named.keys() >= {*schema.get("required", ())}
    ):
        schema["additionalProperties"] = False
    return schema


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
        if message["role"] == before == "tool":  # the results of one turn are one message
            written[-1]["content"] += f"\n{_result(message)}"
        elif message["role"] == "tool":
            written.append({"role": "user", "content": _result(message)})
        else:
            written.append(_without_calls(message))
        before = message["role"]
    if not tools:
        return written
    instruction = _INSTRUCTION.format(tools="\n".join(json.dumps(tool) for tool in tools))
    if written[0]["role"] == "system":
        instruction = f"{written.pop(0)['content']}\n\n{instruction}"
    return [{"role": "system", "content": instruction}, *written]


def _result(message: Mapping[str, Any]) -> str:
    return f"<tool_response>\n{message.get('content') or ''}\n</tool_response>"


def _without_calls(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose calls are in its text."""
    called = [call["function"] for call in message.get("tool_calls") or ()]
    if not called:
        return message
    calls = [call_text(function["name"], function["arguments"]) for function in called]
    content = "\n".join(filter(None, [message.get("content"), *calls]))
    kept = {key: value for key, value in message.items() if key != "tool_calls"}
    return kept | {"content": content}


def _name(tool: Any) -> str | None:
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None


def _has_schema(tool: Mapping[str, Any]) -> bool:
    return isinstance(tool["function"].get("parameters") or {}, dict)


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
