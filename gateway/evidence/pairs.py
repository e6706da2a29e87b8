"""Pairs of answers on their way to evidence: kept, graded once, recorded.

Whichever comes last, the second answer or what a client says of them, completes the grade: each is
written down before the other is looked for, and the store gives a pair to one gateway alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from deployments.protocol import Prompt
from gateway.evidence.clerk import Clerk
from gateway.evidence.grading import Grading, Scores
from gateway.evidence.judge import Judge, Verdict
from gateway.evidence.selection import Selection
from gateway.evidence.store import Compared
from router.selection.evidence import Pair

Outcome = Literal["graded", "waiting"]
"""What became of a pair."""


@dataclass(frozen=True)
class Pairs:
    """The pairs of one gateway.

    Attributes:
        gradings: how each specialist's are graded.
        judge: for those that are judged.
        store_texts: whether answers may be written down.
    """

    clerk: Clerk
    selection: Selection
    gradings: Mapping[str, Grading]
    judge: Judge | None
    store_texts: bool

    async def claim(self, request_id: str, specialist: str, time: float) -> bool:
        """Whether a request may be compared: one id counts once, however often a client uses it.

        Raises:
            StoreError: the store cannot be used.
        """
        return await self.clerk.do(lambda store: store.claim(request_id, specialist, time))

    async def judged(self, compared: Compared, prompt: Prompt) -> Verdict | None:
        """The judge's verdict, where the specialist's pairs are judged.

        Raises:
            BackendError: the judge did not answer.
        """
        if self.judge is None or not self.gradings[compared.specialist.model].judged:
            return None
        first, second = compared.specialist.text or "", compared.generalist.text or ""
        return await self.judge.compare(prompt, first, second)

    async def add(self, compared: Compared, judged: Scores | None) -> Outcome:
        """Takes a pair that is complete but for its grade.

        Args:
            compared: both answers.
            judged: their scores by the judge; None where the pair is not judged.

        Raises:
            StoreError: the store cannot be used.
        """
        grading = self.gradings[compared.specialist.model]
        if not grading.awaits_feedback:
            scores = grading.by_rule(compared) if judged is None else judged
            await self._record(compared, scores)
            return "graded"
        kept = compared if self.store_texts else compared.without_texts()
        await self.clerk.do(lambda store: store.keep(kept))
        return "graded" if await self._settled(kept) else "waiting"

    async def settle(self, request_id: str) -> Outcome | None:
        """Grades what feedback to a request allows to; None: none of its pairs waits.

        Raises:
            UnusableCorrection: a grader cannot use the correction.
            StoreError: the store cannot be used.
        """
        waiting = await self.clerk.do(lambda store: store.waiting(request_id))
        settled = [await self._settled(compared) for compared in waiting]
        if not waiting:
            return None
        return "graded" if all(settled) else "waiting"

    async def _settled(self, compared: Compared) -> bool:
        """Whether a pair is graded by what is known of it now."""
        notes = await self.clerk.do(lambda store: store.notes(compared.request_id))
        grading = self.gradings[compared.specialist.model]
        scores = await self.clerk.do(lambda _: grading.by_feedback(compared, notes))
        if scores is None:
            return False
        if await self.clerk.do(lambda store: store.take(compared)):
            await self._record(compared, scores)
        return True

    async def _record(self, compared: Compared, scores: Scores) -> None:
        mine, other = compared.specialist, compared.generalist
        pair = Pair(
            specialist=scores[0],
            generalist=scores[1],
            latency_seconds=mine.latency_seconds - other.latency_seconds,
            cost=mine.cost - other.cost,
        )
        await self.selection.record(mine.model, pair, compared.version)
