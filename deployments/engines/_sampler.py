"""Chooses the next token of each row of a continuous batch, by its request's settings.

transformers' continuous batching has one set of logits processors for all requests: no seed,
penalties, greedy choice or top log-probabilities per request. This processor list adds them: before
a step it receives the requests in the batch, and after the forward pass their logits. Greedy rows
without extras stay as they are (the engine takes the argmax). For any other row it chooses the
token here and makes it the only one with a finite score.

Rule: all methods but `add` and `remove` run on the engine's generation thread.
"""

import os
import time
from dataclasses import dataclass, field

import torch
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessorList,
)
from transformers.generation.continuous_batching.requests import FutureRequestState
from transformers.generation.logits_process import LogitsProcessorList

from deployments.generation import Sampling


@dataclass(frozen=True, slots=True)
class TokenScores:
    """The chosen token's log-probability before sampling, and the (token id, value) pairs of the
    likeliest tokens."""

    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass
class Row:
    """One request's sampling state and its cost so far.

    `scores` has one entry per generated token if the request wants log-probabilities.
    `engine_seconds` is its share of its forward passes' time, by tokens processed.
    """

    sampling: Sampling
    temperature: float
    top_p: float
    scores: list[TokenScores] = field(default_factory=list)
    engine_seconds: float = 0.0

    def __post_init__(self) -> None:
        seed = self.sampling.seed
        self._generator = torch.Generator()
        self._generator.manual_seed(
            int.from_bytes(os.urandom(8), "big") >> 1 if seed is None else seed % 2**63
        )
        self._counts: dict[int, int] = {}

    @property
    def plain(self) -> bool:
        """Whether the engine's argmax is the right choice and no scores are needed."""
        wants = self.sampling
        return (
            self.temperature == 0
            and wants.top_logprobs is None
            and not wants.presence_penalty
            and not wants.frequency_penalty
        )

    def choose(self, logits: torch.Tensor) -> int:
        """The next token from raw logits, shape (vocabulary,); records scores and counts."""
        token = int(self._sample(self._penalised(logits)))
        self._counts[token] = self._counts.get(token, 0) + 1
        if self.sampling.top_logprobs is not None:
            self.scores.append(_scores(logits, token, self.sampling.top_logprobs))
        return token

    def _penalised(self, logits: torch.Tensor) -> torch.Tensor:
        wants = self.sampling
        if not self._counts or not (wants.presence_penalty or wants.frequency_penalty):
            return logits
        seen = torch.tensor(list(self._counts), device=logits.device)
        counts = torch.tensor(list(self._counts.values()), device=logits.device)
        logits = logits.clone()
        logits[seen] -= wants.presence_penalty + wants.frequency_penalty * counts
        return logits

    def _sample(self, logits: torch.Tensor) -> torch.Tensor:
        if self.temperature == 0:
            return logits.argmax()
        # Subtracting the maximum first keeps tiny temperatures finite.
        logits = (logits - logits.max()) / self.temperature
        if self.top_p < 1:
            logits = _nucleus(logits, self.top_p)
        # Gumbel's trick: the argmax of logits plus this noise is a draw from their softmax. The
        # noise comes from the request's own generator, so it does not depend on the rest of the
        # batch.
        uniform = torch.rand(logits.shape, generator=self._generator).clamp_(min=1e-20)
        return (logits - torch.log(-torch.log(uniform)).to(logits.device)).argmax()


def _nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """Masks all but the smallest set of likeliest tokens whose probabilities reach `top_p`."""
    ordered, order = logits.sort(descending=True)
    probabilities = ordered.softmax(-1)
    before = probabilities.cumsum(-1) - probabilities
    ordered = ordered.masked_fill(before >= top_p, float("-inf"))
    return torch.empty_like(logits).scatter_(-1, order, ordered)


def _scores(logits: torch.Tensor, token: int, count: int) -> TokenScores:
    logprobs = logits.log_softmax(-1)
    values, tokens = logprobs.topk(min(count, logprobs.numel()))
    top = tuple(zip(tokens.tolist(), values.tolist(), strict=True))
    return TokenScores(float(logprobs[token]), top)


class Sampler(ContinuousBatchingLogitsProcessorList):
    """The logits processor list of a continuous-batching manager.

    Args:
        default_temperature: for requests that set none.
        default_top_p: likewise.
    """

    def __init__(self, default_temperature: float, default_top_p: float = 1.0) -> None:
        super().__init__(LogitsProcessorList([]))
        self._default_temperature, self._default_top_p = default_temperature, default_top_p
        self.do_processing = True
        self._rows: dict[str, Row] = {}
        self._batch: list[tuple[Row | None, int, bool]] = []
        self._step_started = 0.0
        self._progress = time.monotonic()

    def add(self, request_id: str, sampling: Sampling) -> Row:
        """Registers a request; call it before the manager gets the request."""
        if not self._rows:
            self._progress = time.monotonic()  # the engine was idle until now
        temperature, top_p = sampling.temperature, sampling.top_p
        row = Row(
            sampling,
            self._default_temperature if temperature is None else temperature,
            self._default_top_p if top_p is None else top_p,
        )
        self._rows[request_id] = row
        return row

    def remove(self, request_id: str) -> None:
        """Removes a request; a step that still has it in its batch takes the argmax."""
        self._rows.pop(request_id, None)

    def stalled_seconds(self) -> float:
        """Seconds since the last step, if there is work; else 0."""
        return time.monotonic() - self._progress if self._rows else 0.0

    def prepare_tensor_args(
        self, requests_in_batch: list[FutureRequestState], arg_storage: torch.Tensor
    ) -> torch.Tensor:
        """Called before each step with its requests; no tensor argument is needed."""
        self._batch = [
            (self._rows.get(item.state.request_id), item.query_length, item.has_new_token)
            for item in requests_in_batch
        ]
        self._step_started = time.perf_counter()
        return arg_storage

    def __call__(
        self,
        input_ids: torch.Tensor,  # noqa: ARG002 - the base class's argument
        scores: torch.Tensor,
        logits_processor_args: torch.Tensor,  # noqa: ARG002 - the base class's argument
    ) -> torch.Tensor:
        """Applies each row's choice to scores of shape (rows with a new token,
        vocabulary)."""
        rows = [row for row, _, has_new_token in self._batch if has_new_token]
        for index, row in enumerate(rows):
            if row is None or row.plain:
                continue
            token = row.choose(scores[index])
            scores[index] = float("-inf")
            scores[index, token] = 0.0
        self._account()
        self._progress = time.monotonic()
        return scores

    def _account(self) -> None:
        seconds = time.perf_counter() - self._step_started
        total = sum(tokens for _, tokens, _ in self._batch) or 1
        for row, tokens, _ in self._batch:
            if row is not None:
                row.engine_seconds += seconds * tokens / total
