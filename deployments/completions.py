"""Functions that complete a finished answer, by the name in a niche or an adapter's card.

For example, a calculator adds the result of an equation that the model wrote. The added text has no
tokens: it costs nothing and has no log-probabilities.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import msgspec

from deployments.answer_grammar import asks_for_form
from deployments.calculator import completed
from deployments.protocol import Chunk, ModelRequest

Completion = Literal["calculator"]

COMPLETIONS: Mapping[Completion, Callable[[str], str]] = {"calculator": completed}

_encode = msgspec.json.encode


def completion(name: Completion | None) -> Callable[[str], str]:
    """The function from an answer to the text to add; without a name it adds nothing."""
    return _nothing if name is None else COMPLETIONS[name]


def _nothing(_: str) -> str:
    return ""


class CompletionFilter:
    """Completes the choices of one answer where the model itself ends them; whole or streamed.

    Args:
        name: the function's.
        request: what is answered. Only chats are completed, and only plain text.
    """

    def __init__(self, name: Completion | None, request: ModelRequest) -> None:
        self._complete, self._said = completion(name), dict[int, str]()
        self._active = name is not None and request.operation == "chat"
        if self._active:
            body = msgspec.json.decode(request.body)
            self._active = not (asks_for_form(body) or body.get("logprobs"))
            stop = body.get("stop") or ()
            self._stop = (stop,) if isinstance(stop, str) else tuple(stop)

    def apply(self, chunk: Chunk) -> Chunk:
        """The chunk, with what completes the choices that end in it."""
        if not self._active:
            return chunk
        answer = msgspec.json.decode(chunk.data)
        added = [self._added(choice) for choice in answer["choices"]]
        return replace(chunk, data=_encode(answer), output=True) if any(added) else chunk

    def _added(self, choice: dict[str, Any]) -> bool:
        """Adds to a choice; says whether there was something to add."""
        part = choice.get("delta") or choice.get("message") or {}
        text = part.get("content") or ""
        if not isinstance(text, str):  # a server's own form
            return False
        said = self._said[choice["index"]] = self._said.get(choice["index"], "") + text
        if choice.get("finish_reason") != "stop":
            return False
        added = self._until_stop(said, self._complete(said))
        self._said[choice["index"]] += added  # a server may end a choice twice
        choice["delta" if "delta" in choice else "message"] = part | {"content": text + added}
        return bool(added)

    def _until_stop(self, said: str, added: str) -> str:
        """What may be shown of an addition: no answer shows a stop string."""
        found = [at for at in ((said + added).find(stop) for stop in self._stop) if at >= 0]
        return added[: max(0, min(found) - len(said))] if found else added
