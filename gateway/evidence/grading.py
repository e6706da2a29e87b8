"""Grades pairs of answers: each gets two scores, by a rule, the judge, or clients' feedback, and
becomes evidence once.

The shadow answer or the feedback completes the grade, whichever comes last: each is stored before
the other is looked up, and the store gives a pair to only one gateway.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from deployments.models.adapters import load_adapter
from deployments.models.errors import ModelError
from deployments.protocol import Backend, BackendError, ModelRequest, Usage
from deployments.spec import ModelSpec
from gateway.answer_text import text_of
from gateway.evidence.budget import GraderLimit
from gateway.evidence.states import SpecialistStates
from gateway.evidence.store import (
    AnswerFeedback,
    AnswerPair,
    ModelAnswer,
    Store,
    StoreExecutor,
)
from gateway.shadow_config import GradingSection
from router.grading.counts import Reference
from router.grading.judge import MAX_TOKENS, TIE, are_alike, grade, questions
from router.grading.registry import GRADERS, as_read
from router.selection.evidence import Pair
from router.types import Query

JUDGE = "shadow/judge"
"""The judge's name in requests and metrics; no model can have it."""

Scores = tuple[float, float]
"""The specialist's and the generalist's score, each in [0, 1]."""


class UnusableCorrection(Exception):
    """A correction that the grader cannot compare an answer with; the message says why."""


def default_grader(spec: ModelSpec) -> str:
    """The grader of the adapter's niche, else `text`."""
    if spec.adapter is None:
        return "text"
    try:
        graders = load_adapter(spec.adapter).graders
    except ModelError:  # the replica that serves the model reports it
        return "text"
    return graders[0] if graders and graders[0] in GRADERS else "text"


@dataclass(frozen=True)
class Grading:
    """How the pairs of one specialist are graded; `grader` compares answers with corrections."""

    settings: GradingSection
    grader: str

    @property
    def judged(self) -> bool:
        """Whether the judge grades the pairs."""
        return self.settings.method == "judge"

    @property
    def awaits_feedback(self) -> bool:
        """Whether pairs wait for feedback."""
        return self.settings.method == "feedback"

    def by_rule(self, compared: AnswerPair) -> Scores:
        """The scores by rule: whether each answer is valid JSON."""
        return self._is_json(compared.specialist), self._is_json(compared.generalist)

    def by_feedback(
        self, compared: AnswerPair, notes: Mapping[str, AnswerFeedback]
    ) -> Scores | None:
        """The scores, if there is a correction, or a score for each answer; else None.

        Raises:
            UnusableCorrection: the grader cannot use the correction.
        """
        correction = next((note.correction for note in notes.values() if note.correction), None)
        if correction is not None:
            specialist = self.against(compared.specialist.text, correction)
            generalist = self.against(compared.generalist.text, correction)
        else:
            specialist = _noted(notes, compared.specialist)
            generalist = _noted(notes, compared.generalist)
        if specialist is None or generalist is None:
            return None
        return specialist, generalist

    def against(self, answer: str | None, correction: str) -> float | None:
        """The score of an answer against a correction; None if its text was not kept.

        Raises:
            UnusableCorrection: the grader cannot use the correction.
        """
        if answer is None:
            return None
        try:
            read = as_read(answer, self.grader, correction)
            return GRADERS[self.grader](read, Reference(correction)).quality
        except ValueError as error:
            raise UnusableCorrection(f"the grader {self.grader!r} cannot use it: {error}") from None

    def _is_json(self, answer: ModelAnswer) -> float:
        try:
            value = json.loads(answer.text or "")
        except (ValueError, RecursionError):  # not JSON, a huge number, or deep nesting
            return 0.0
        keys = self.settings.keys
        return float(not keys or (isinstance(value, dict) and set(keys) <= value.keys()))


def _noted(notes: Mapping[str, AnswerFeedback], answer: ModelAnswer) -> float | None:
    note = notes.get(answer.model)
    return None if note is None else note.score


@dataclass(frozen=True, slots=True)
class Verdict:
    """The scores of two answers, which sum to 1, and the judge's usage.

    `scores` is None if the judge's replies cannot be read, or there is an `error` instead of the
    second one.
    """

    scores: Scores | None
    usage: Usage
    error: BackendError | None = None


class Judge:
    """Asks the judge's model, by the rules of `router.grading.judge`.

    Args:
        backend: the judge's model.
        timeout_seconds: the limit for each of the two questions.
    """

    def __init__(self, backend: Backend, timeout_seconds: float) -> None:
        self._backend, self._timeout = backend, timeout_seconds

    async def compare(self, request_id: str, query: Query, first: str, second: str) -> Verdict:
        """Scores two answers to a query.

        Raises:
            BackendError: the judge did not answer the first question.
        """
        if are_alike(first, second):
            return Verdict((TIE, TIE), Usage(0, 0))
        forward, reverse = questions(_request(query), first, second)
        reply, used = await self._ask(f"{request_id}-judge-forward", forward)
        try:
            reply_again, used_again = await self._ask(f"{request_id}-judge-reverse", reverse)
        except BackendError as error:
            return Verdict(None, used, error)
        usage = Usage(
            used.prompt_tokens + used_again.prompt_tokens,
            used.completion_tokens + used_again.completion_tokens,
            used.cached_tokens + used_again.cached_tokens,
            faults=used.faults + used_again.faults,
        )
        score = grade(reply, reply_again)
        return Verdict(None if score is None else (score, 1 - score), usage)

    async def _ask(self, request_id: str, question: str) -> tuple[str, Usage]:
        asked = {
            "messages": [{"role": "user", "content": question}],
            "max_tokens": MAX_TOKENS,
            "temperature": 0.0,
        }
        request = ModelRequest(
            request_id=request_id,
            model=JUDGE,
            operation="chat",
            body=msgspec.json.encode(asked),
            deadline_seconds=self._timeout,
        )
        answer = await self._backend.complete(request)
        return text_of(answer.data), answer.usage or Usage(0, 0)


def _request(query: Query) -> str:
    if query.text is not None:
        return query.text
    return "\n".join(f"{message.role}: {message.content}" for message in query.messages)


Outcome = Literal["graded", "waiting"]
"""Whether a pair is graded or waits for feedback."""


@dataclass(frozen=True)
class Pairs:
    """Stores and grades the pairs of one gateway.

    Attributes:
        gradings: how to grade each specialist's pairs.
        judge: for the specialists that are judged.
        store_texts: whether to store the texts of answers.
        limit: of what one grader adds.
    """

    executor: StoreExecutor
    states: SpecialistStates
    gradings: Mapping[str, Grading]
    judge: Judge | None
    store_texts: bool
    limit: GraderLimit

    async def claim(
        self, request_id: str, specialists: Sequence[str], time: float
    ) -> tuple[str, ...]:
        """The specialists to compare on a request: each is compared on it once.

        Raises:
            StoreError: the store cannot be used.
        """

        def claimed(store: Store) -> tuple[str, ...]:
            return tuple(name for name in specialists if store.claim(request_id, name, time))

        return await self.executor.run(claimed)

    async def release(self, request_id: str, specialist: str) -> None:
        """Notes that a claimed comparison ended.

        Raises:
            StoreError: the store cannot be used.
        """
        await self.executor.run(lambda store: store.release(request_id, specialist))

    async def judged(self, compared: AnswerPair, request_id: str, query: Query) -> Verdict | None:
        """The judge's verdict; None if the specialist's pairs are not judged.

        Raises:
            BackendError: the judge did not answer.
        """
        if self.judge is None or not self.gradings[compared.specialist.model].judged:
            return None
        first, second = compared.specialist.text or "", compared.generalist.text or ""
        return await self.judge.compare(request_id, query, first, second)

    async def add(self, compared: AnswerPair, judged: Scores | None) -> Outcome:
        """Stores a pair, and grades it if everything needed is there.

        Args:
            compared: both answers.
            judged: the judge's scores; None if the pair is not judged.

        Raises:
            StoreError: the store cannot be used.
        """
        grading = self.gradings[compared.specialist.model]
        if not grading.awaits_feedback:
            scores = grading.by_rule(compared) if judged is None else judged
            await self._record(compared, scores)
            return "graded"
        kept = compared if self.store_texts else compared.without_texts()
        await self.executor.run(lambda store: store.keep(kept))
        return "graded" if await self._settled(kept) else "waiting"

    async def settle(self, request_id: str) -> Outcome | None:
        """Grades a request's pairs that have enough feedback; None: no pair of it waits.

        Raises:
            UnusableCorrection: a grader cannot use the correction.
            StoreError: the store cannot be used.
        """
        waiting = await self.executor.run(lambda store: store.waiting(request_id))
        settled = [await self._settled(compared) for compared in waiting]
        if not waiting:
            return None
        return "graded" if all(settled) else "waiting"

    async def _settled(self, compared: AnswerPair) -> bool:
        """Grades a pair if it has enough feedback, of somebody who may add to the evidence today;
        returns whether it did."""
        notes = await self.executor.run(lambda store: store.notes(compared.request_id))
        grading = self.gradings[compared.specialist.model]
        # An operator's word goes before, and takes nobody's share.
        operators = {model: note for model, note in notes.items() if note.grader is None}
        scores, share = await self._scores(grading, compared, operators), None
        if scores is None:
            scores = await self._scores(grading, compared, notes)
            share = self.limit.share(next((of.grader for of in notes.values() if of.grader), None))
        if scores is None:
            return False
        taken = await self.executor.run(lambda store: store.take(compared, share))
        if taken == "taken":
            await self._record(compared, scores)
        return taken != "over_share"

    async def _scores(
        self, grading: Grading, compared: AnswerPair, notes: Mapping[str, AnswerFeedback]
    ) -> Scores | None:
        return await self.executor.run(lambda _: grading.by_feedback(compared, notes))

    async def _record(self, compared: AnswerPair, scores: Scores) -> None:
        specialist, generalist = compared.specialist, compared.generalist
        pair = Pair(
            specialist=scores[0],
            generalist=scores[1],
            latency_seconds=specialist.latency_seconds - generalist.latency_seconds,
            cost=specialist.cost - generalist.cost,
            engine_seconds=specialist.engine_seconds - generalist.engine_seconds,
            expense=specialist.expense - generalist.expense,
        )
        await self.states.record(specialist.model, pair, compared.version)
