"""Stand-ins that are passed in where the real thing would need weights, a cluster or time.

`FakeBackend` is a model with a script, `FakeClassifier` a classifier that looks for marked words,
`FakeClock` a clock that moves when told.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployments.answer_schemas import FinishReason
from deployments.generation import Piece, Prompt, TokenLogprob
from deployments.prompt_room import PromptRoom
from deployments.protocol import (
    Abandoned,
    BackendError,
    Chunk,
    EngineStats,
    Load,
    ModelCard,
    ModelRequest,
    Unavailable,
    Usage,
)
from deployments.text_backend import TextBackend
from router.explanation import effects
from router.types import GENERAL, Form, Neighbour, Query, Rationale, Scores, Source


@dataclass
class FakeClock:
    """Seconds that pass only when told; call it to read it."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += seconds


@dataclass
class FakeBackend:
    """A `Backend` that says its pieces in OpenAI's words, or fails as scripted.

    It knows text alone, as the engines with weights do: several choices are as many streams.

    Attributes:
        name: of the model.
        pieces: the texts of each choice's chunks; the last one carries the end and the usage.
        prompt_tokens: what it claims that a prompt holds.
        engine_seconds: what it claims to have worked.
        prefill_seconds: the part of it before the first chunk, if it tells.
        refusal: raised instead of the first chunk.
        failure: raised after the chunk number `fails_after` instead of the rest.
        cut: ends after `fails_after` chunks without a finish reason.
        gate: awaited before every chunk after the first; None: no waiting.
        first_gate: awaited before the first chunk.
        illness: why `health` fails; None: healthy.
        room: what it tells of its room for prompts; None: nothing.
        engine_stats: what the engines of its replicas told.
        hangs: `health` never answers.
        spent: tokens that it claims to have generated for a whole answer that nobody awaits.
        requests: every request that it was asked.
        open_streams: choices that have begun and not ended, streamed or whole.
        closed_early: choices that were left before their end.
    """

    name: str
    pieces: Sequence[str] = ("Hello", ", ", "world")
    prompt_tokens: int = 7
    cached_tokens: int = 0
    engine_seconds: float = 0.5
    prefill_seconds: float | None = None
    finish_reason: FinishReason = "stop"
    refusal: Exception | None = None
    failure: Exception | None = None
    fails_after: int = 1
    cut: bool = False
    gate: asyncio.Event | None = None
    first_gate: asyncio.Event | None = None
    engine_stats: tuple[EngineStats, ...] = ()
    illness: str | None = None
    room: PromptRoom | None = None
    hangs: bool = False
    spent: int = 0
    requests: list[ModelRequest] = field(default_factory=list)
    open_streams: int = 0
    closed_early: int = 0

    def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """See `Backend`."""
        self.requests.append(request)
        return TextBackend(self).stream(request)

    async def complete(self, request: ModelRequest) -> Chunk:
        """See `Backend`."""
        self.requests.append(request)
        try:
            return await TextBackend(self).complete(request)
        except asyncio.CancelledError as cancelled:
            cancelled.args = (Abandoned(self.spent),)
            raise

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """See `TextEngine`: one choice."""
        self.open_streams += 1
        ended = False
        try:
            if self.refusal is not None:
                raise self.refusal
            for number, text in enumerate(self.pieces):
                gate = self.gate if number else self.first_gate
                if gate is not None:
                    await gate.wait()
                if number == self.fails_after and self.failure is not None:
                    raise self.failure
                if number == self.fails_after and self.cut:
                    break
                ended = number == len(self.pieces) - 1
                yield self._piece(prompt, text, last=ended)
            ended = True
        except (BackendError, RuntimeError):
            ended = True
            raise
        finally:
            self.open_streams -= 1
            self.closed_early += not ended

    def _piece(self, prompt: Prompt, text: str, *, last: bool) -> Piece:
        wanted = prompt.sampling.top_logprobs
        logprobs: tuple[TokenLogprob, ...] = ()
        if wanted is not None:
            top = tuple((f"{text}{rank}", -1.0 - rank) for rank in range(wanted))
            logprobs = (TokenLogprob(text, -0.5, top),)
        usage = Usage(
            self.prompt_tokens,
            len(self.pieces),
            self.cached_tokens,
            self.engine_seconds,
            self.prefill_seconds,
        )
        return Piece(
            text=text,
            tokens=1,
            finish_reason=self.finish_reason if last else None,
            logprobs=logprobs,
            usage=usage if last else None,
        )

    async def health(self, _model: str) -> None:
        """See `Backend`."""
        if self.hangs:
            await asyncio.Event().wait()
        if self.illness is not None:
            raise Unavailable(self.name, self.illness)

    async def load(self, _model: str) -> Load:
        """See `Backend`."""
        return Load(
            running=self.open_streams,
            completed=len(self.requests) - self.open_streams,
            recent_tokens={request.request_id: self.spent for request in self.requests},
        )

    async def cards(self) -> tuple[ModelCard, ...]:
        """See `Backend`."""
        return (ModelCard(self.name, "fake", self.name),)


@dataclass
class NotingBackend(FakeBackend):
    """Takes whatever it is asked, tools and all, and answers in one chunk.

    Attributes:
        not_applied: the parameters that it claims to have left out.
        choices: of its answers.
    """

    not_applied: tuple[str, ...] = ()
    choices: Sequence[Mapping[str, object]] = (
        {"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": "stop"},
    )

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What it was asked."""
        return [json.loads(request.body) for request in self.requests]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """See `Backend`."""
        yield await self.complete(request)

    async def complete(self, request: ModelRequest) -> Chunk:
        """See `Backend`."""
        self.requests.append(request)
        if self.refusal is not None:
            raise self.refusal
        answer = {
            "id": request.response_id,
            "created": request.created,
            "model": request.model,
            "choices": self.choices,
        }
        return Chunk(json.dumps(answer).encode(), not_applied=self.not_applied, usage=Usage(1, 1))


@dataclass(frozen=True)
class FakeClassifier:
    """Scores a query by the first marked word that its text holds; without one it is `GENERAL`.

    Attributes:
        words: the domain that each word marks.
        confidence: the probability of the domain that was found; `GENERAL` has the rest.
        ood_score: of every query; the largest in distribution is -0.5.
    """

    words: Mapping[str, str]
    confidence: float = 0.9
    ood_score: float = -1.0

    @property
    def classes_(self) -> tuple[str, ...]:
        """The domains it tells apart."""
        return (GENERAL, *dict.fromkeys(self.words.values()))

    def scores(self, queries: Sequence[Query]) -> list[Scores]:
        """The scores of each query, in order."""
        return [self._scores(query) for query in queries]

    def rationale(self, query: Query, neighbours: int = 1) -> Rationale:
        """The words that mark the query, by leaving them out; one neighbour, many times."""
        text = _text(query)

        def score(texts: Sequence[str]) -> list[Scores]:
            return self.scores([Query(text=text) for text in texts])

        return Rationale(
            source=Source(0, with_system=False, characters=len(text), shortened=False),
            pieces=effects(text, labelled=False, score=score),
            neighbours=(Neighbour("SELECT 1\nFROM t", "sql", 0.5),) * neighbours,
            form=Form("plain", 0.75),
        )

    def _scores(self, query: Query) -> Scores:
        text = _text(query)
        found = next((self.words[word] for word in self.words if word in text), GENERAL)
        rest = {} if found == GENERAL else {GENERAL: 1 - self.confidence}
        return Scores({found: self.confidence, **rest}, self.ood_score, max_ood_score=-0.5)


def _text(query: Query) -> str:
    return query.text or " ".join(message.content for message in query.messages)
