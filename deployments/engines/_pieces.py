"""Turns the tokens of one answer of the transformers engine into pieces of text."""

from dataclasses import replace
from typing import Any

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from deployments.answer_schemas import FinishReason
from deployments.engines._sampler import Row
from deployments.engines._stops import StopScanner
from deployments.generation import Piece, TokenLogprob
from deployments.protocol import Usage


class TokenDecoder:
    """Turns token ids into text as they arrive; a token that ends inside a character waits for the
    next one."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)

    def push(self, token: int) -> str:
        """The text that this token completes, possibly empty."""
        return self._stream.step(self._tokenizer, token) or ""


class PieceBuilder:
    """Builds the pieces of one answer while its tokens arrive.

    Args:
        row: the request's settings and scores in the sampler.
        prompt_tokens: for the usage.
        tokenizer: the model's.
        end_tokens: ids that end an answer; they count as usage, but are not shown.
    """

    def __init__(
        self,
        row: Row,
        prompt_tokens: int,
        tokenizer: Any,
        end_tokens: frozenset[int],
    ) -> None:
        self.done = False
        self._row = row
        self._tokenizer, self._end_tokens = tokenizer, end_tokens
        self._decoder = TokenDecoder(tokenizer.backend_tokenizer)
        self._stops = StopScanner(row.sampling.stop)
        self._prompt_tokens = prompt_tokens
        self._seen = self._reported = 0

    def advance(self, tokens: list[int], finished: bool) -> Piece | None:
        """The piece for the new ones of all `tokens` so far; None if no text can be shown
        yet."""
        fresh, ended = tokens[self._seen :], False
        text, logprobs, used = "", [], 0
        for token in fresh:
            used += 1
            if token in self._end_tokens:
                ended = True
                break
            logprobs.extend(self._logprob(self._seen + used - 1, token))
            text += self._stops.push(self._decoder.push(token))
            if self._stops.stopped:
                break
        self._seen += used
        if not (finished or self._stops.stopped):
            return self._piece(text, logprobs) if text or logprobs else None
        self.done = True
        if not self._stops.stopped:
            text += self._stops.flush()
        reason: FinishReason = "stop" if ended or self._stops.stopped else "length"
        usage = Usage(self._prompt_tokens, self._seen, 0, self._row.engine_seconds)
        return replace(self._piece(text, logprobs), finish_reason=reason, usage=usage)

    def _piece(self, text: str, logprobs: list[TokenLogprob]) -> Piece:
        tokens, self._reported = self._seen - self._reported, self._seen
        return Piece(text, tokens, logprobs=tuple(logprobs))

    def _logprob(self, position: int, token: int) -> list[TokenLogprob]:
        if self._row.sampling.top_logprobs is None:
            return []
        scores = self._row.scores[position]
        top = tuple((self._tokenizer.decode([candidate]), value) for candidate, value in scores.top)
        return [TokenLogprob(self._tokenizer.decode([token]), scores.logprob, top)]
