"""From the events of llama.cpp's server to OpenAI's chunks. Without I/O.

The server is asked for one choice at a time, always as a stream. A `ChoiceReader` reads what comes
of a choice; an `AnswerWriter` writes the client's answer, streamed or whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from deployments.answer_forms import FormCheck
from deployments.answer_schemas import UsageBody
from deployments.engines._llama_errors import answered_error
from deployments.engines._llama_requests import LlamaRequest
from deployments.engines._openai_joining import merged
from deployments.protocol import Chunk, ModelRequest, Usage
from deployments.stops import StopScanner
from deployments.tagged_calls import CallReader
from deployments.text_answers import LOWEST_LOGPROB, usage_body
from deployments.tool_calls import Call, ToolCalls, completed

_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_EMPTY = (b"null", b'""', b"[]", b"{}")


class _Choice(Struct, frozen=True):
    delta: Raw = Raw(b"{}")
    text: Raw = Raw(b'""')
    logprobs: Any = None
    finish_reason: str | None = None


class _Timings(Struct, frozen=True):
    cache_n: int = 0
    prompt_n: int = 0
    prompt_ms: float = 0.0
    predicted_n: int = 0


class _Progress(Struct, frozen=True):
    total: int
    processed: int
    cache: int = 0


class _Details(Struct, frozen=True):
    cached_tokens: int = 0


class _Usage(Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Details = _Details()


class _Event(Struct, frozen=True):
    choices: list[_Choice] = []
    timings: _Timings | None = None
    prompt_progress: _Progress | None = None
    usage: _Usage | None = None
    error: Any = None


_event = msgspec.json.Decoder(_Event).decode


@dataclass(frozen=True, slots=True)
class Said:
    """What an event adds to a choice.

    Attributes:
        parts: what the model said: the keys of a delta without its role, or the `text`.
        tokens: generated for it, also those of which nothing was shown before.
        worked: tokens that the forward pass worked on, of the prompt or of the answer.
        prompt_tokens: those of the prompt, once they are counted.
        logprobs: as the server gives them.
        finish_reason: why the choice ends, with its usage.
        stop_reason: the stop string that ended it, if one did.
        usage: without the engine's seconds.
    """

    parts: dict[str, Raw]
    tokens: int = 0
    worked: int = 0
    prompt_tokens: int | None = None
    logprobs: Any = None
    finish_reason: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None

    @property
    def shown(self) -> bool:
        """Whether the client gets to see something of it."""
        return bool(self.parts or self.logprobs or self.finish_reason)


class ChoiceReader:
    """Reads the events of one choice, up to its end or to a stop string.

    The stop strings are not the server's: it loses what it holds back when an answer ends at its
    limit, and the log-probabilities of what it holds back in any case.

    Args:
        request: what is answered.
        asked: the same, as the server takes it.
        check: reads along; None: the answer has no form.
    """

    def __init__(
        self, request: ModelRequest, asked: LlamaRequest, check: FormCheck | None = None
    ) -> None:
        self._model, self._parameter = request.model, asked.parameter
        self._check = check
        self._reader = CallReader() if asked.form is not None and asked.form.calls else None
        self._calls = ToolCalls(request)
        self._chat = request.operation == "chat"
        self._text_key = "content" if self._chat else "text"
        self._stops = StopScanner(asked.stop) if asked.stop else None
        self._generated = self._shown = self._read = 0
        self._timings = _Timings()
        self._finish_reason: str | None = None

    def read(self, data: bytes) -> Said:
        """What an event says.

        Raises:
            BackendError: it is an error.
        """
        event = _event(data)
        if event.error is not None:
            raise answered_error(self._model, event.error, self._parameter)
        if event.prompt_progress is not None:
            return self._progressed(event.prompt_progress)
        self._timings = event.timings or self._timings
        worked = max(0, self._timings.predicted_n - self._generated)
        self._generated += worked
        choice = event.choices[0] if event.choices else _Choice()
        # The end and the usage of a chat come in two events; they go on as one.
        self._finish_reason = choice.finish_reason or self._finish_reason
        parts = self._parts(choice, ends=event.usage is not None)
        usage = None if event.usage is None else self._usage(event.usage)
        timings = self._timings
        if self._stops is not None and self._stops.stopped:
            self._finish_reason, usage = "stop", usage or self._usage_so_far()
        if self._reader is not None and self._reader.count and self._finish_reason == "stop":
            self._finish_reason = "tool_calls"
        said = Said(
            parts=parts,
            tokens=self._generated - self._shown,
            worked=worked,
            prompt_tokens=timings.cache_n + timings.prompt_n or None,
            logprobs=choice.logprobs,
            finish_reason=None if usage is None else self._finish_reason,
            stop_reason=None if self._stops is None else self._stops.found,
            usage=usage,
        )
        if not said.shown:
            return replace(said, tokens=0)  # they count with what comes next
        self._shown = self._generated
        return said

    def _progressed(self, progress: _Progress) -> Said:
        worked = max(0, progress.processed - max(self._read, progress.cache))
        self._read = progress.processed
        return Said({}, worked=worked, prompt_tokens=progress.total)

    def _parts(self, choice: _Choice, *, ends: bool) -> dict[str, Raw]:
        parts = _fields(choice.delta) if self._chat else {"text": choice.text}
        parts.pop("role", None)
        calls = msgspec.json.decode(parts.get("tool_calls", b"null")) or []
        if self._stops or self._check or self._reader:
            text = msgspec.json.decode(parts.get(self._text_key, b"null")) or ""
            text, found = self._read_text(text, ends=ends)
            parts[self._text_key], calls = Raw(_encode(text)), calls + found
        if calls:
            parts["tool_calls"] = Raw(_encode(self._calls.deltas(calls)))
        return {key: value for key, value in parts.items() if bytes(value) not in _EMPTY}

    def _read_text(self, text: str, *, ends: bool) -> tuple[str, list[Call]]:
        """What may be shown of a text, and the calls in it."""
        if self._stops is not None:
            text = self._stops.push(text)
            if ends and not self._stops.stopped:
                text += self._stops.flush()
        cut = self._stops is not None and self._stops.stopped
        if self._check is not None:
            self._check.read(text, ends=ends and not cut and self._finish_reason == "stop")
        return (text, []) if self._reader is None else self._reader.push(text, ends=ends or cut)

    def _usage_so_far(self) -> Usage:
        """The usage of an answer that a stop string ends: the server tells it at its own end."""
        timings = self._timings
        counts = _Usage(
            timings.cache_n + timings.prompt_n, self._generated, _Details(timings.cache_n)
        )
        return self._usage(counts)

    def _usage(self, usage: _Usage) -> Usage:
        return Usage(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.prompt_tokens_details.cached_tokens,
            prefill_seconds=self._timings.prompt_ms / 1000,
        )


class _Written(Struct):
    """A choice of an answer."""

    index: int
    delta: Any = UNSET
    message: Any = UNSET
    text: Any = UNSET
    logprobs: Any = UNSET
    finish_reason: str | UnsetType | None = UNSET
    stop_reason: str | UnsetType = UNSET


class _Answer(Struct):
    id: str
    object: str
    created: int
    model: str
    choices: list[_Written]
    usage: UsageBody | UnsetType | None = UNSET


class AnswerWriter:
    """Writes the answer to one request.

    Args:
        request: what is answered.
        include_usage: whether a stream ends with an event for the usage.
        top_logprobs: how many alternatives a token's log-probabilities have; None: none were asked
            for.
    """

    def __init__(
        self, request: ModelRequest, *, include_usage: bool, top_logprobs: int | None
    ) -> None:
        self._request, self._top = request, top_logprobs
        self._chat = request.operation == "chat"
        self._event_usage = None if include_usage else UNSET
        self._begun: set[int] = set()
        self._offsets: dict[int, int] = {}

    def event(self, index: int, said: Said, usage: Usage | None = None) -> Chunk:
        """What was said of choice `index`, as a chunk; with the usage if it is the last one."""
        choice = _begun(index, said)
        choice.logprobs = self._logprobs(index, said.logprobs)
        first, begins = not self._begun, index not in self._begun
        self._begun.add(index)
        if self._chat:
            role = {"role": "assistant", "content": ""} if begins else {}
            choice.delta = role | said.parts
        else:
            choice.text = said.parts.get("text", "")
        return Chunk(
            data=self._write("chat.completion.chunk", [choice], self._event_usage),
            output=bool(said.parts),
            prompt_tokens=said.prompt_tokens if first else None,
            tokens=said.tokens,
            finish_reasons=((index, said.finish_reason),) if said.finish_reason else (),
            usage=usage,
        )

    def usage_event(self, usage: Usage) -> Chunk:
        """The last chunk of a stream whose client asked for the usage."""
        data = self._write("chat.completion.chunk", [], usage_body(usage))
        return Chunk(data, output=False, usage=usage)

    def whole(self, choices: Sequence[Sequence[Said]], usage: Usage) -> Chunk:
        """The whole answer; `choices[i]` is all that was said of choice i."""
        written = [self._whole_choice(index, said) for index, said in enumerate(choices)]
        return Chunk(
            data=self._write("chat.completion", written, usage_body(usage)),
            output=any(said.parts for choice in choices for said in choice),
            prompt_tokens=usage.prompt_tokens,
            tokens=usage.completion_tokens,
            finish_reasons=tuple((choice.index, str(choice.finish_reason)) for choice in written),
            usage=usage,
        )

    def _whole_choice(self, index: int, pieces: Sequence[Said]) -> _Written:
        choice = _begun(index, pieces[-1])
        parts = [
            {key: msgspec.json.decode(value) for key, value in said.parts.items()}
            for said in pieces
            if said.parts
        ]
        joined = merged(parts) if parts else {}
        if self._chat:
            if calls := joined.get("tool_calls"):
                joined["tool_calls"] = [completed(call) for call in calls]
            text = None if joined else ""
            choice.message = {"role": "assistant", "content": text, "refusal": None} | joined
        else:
            choice.text = joined.get("text", "")
        choice.logprobs = self._whole_logprobs(index, pieces)
        return choice

    def _write(
        self, kind: str, choices: list[_Written], usage: UsageBody | UnsetType | None
    ) -> bytes:
        request = self._request
        answer = _Answer(
            id=request.response_id,
            object=kind if self._chat else "text_completion",
            created=request.created,
            model=request.model,
            choices=choices,
            usage=usage,
        )
        return _encode(answer)

    def _whole_logprobs(self, index: int, pieces: Sequence[Said]) -> Any:
        content = [token for said in pieces if said.logprobs for token in said.logprobs["content"]]
        return self._logprobs(index, {"content": content})

    def _logprobs(self, index: int, given: Any) -> Any:
        """Log-probabilities in the dialect's shape."""
        if self._top is None or not given:
            return None
        tokens = [_token(token, self._top) for token in given["content"]]
        if self._chat:
            return {"content": tokens, "refusal": None}
        offset, offsets = self._offsets.get(index, 0), []
        for token in tokens:
            offsets.append(offset)
            offset += len(token["token"])
        self._offsets[index] = offset
        return {
            "tokens": [token["token"] for token in tokens],
            "token_logprobs": [token["logprob"] for token in tokens],
            "top_logprobs": [
                {other["token"]: other["logprob"] for other in token["top_logprobs"]}
                for token in tokens
            ],
            "text_offset": offsets,
        }


def _begun(index: int, said: Said) -> _Written:
    """A choice as it ends, if it does."""
    return _Written(
        index=index, finish_reason=said.finish_reason, stop_reason=said.stop_reason or UNSET
    )


def _token(token: dict[str, Any], top: int) -> dict[str, Any]:
    others = [_scored(other) for other in token.get("top_logprobs", ())[:top]]
    return _scored(token) | {"top_logprobs": others}


def _scored(token: dict[str, Any]) -> dict[str, Any]:
    logprob = token["logprob"]
    return {
        "token": token["token"],
        "logprob": LOWEST_LOGPROB if logprob is None else max(logprob, LOWEST_LOGPROB),
        "bytes": token.get("bytes"),
    }
