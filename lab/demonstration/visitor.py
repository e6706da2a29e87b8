"""One request of the stream, from its sending to the feedback to both of its answers.

The user grades the answer that was sent; so that every choice can be judged afterwards, also the
one that the other model gave in the background. Where the gateway compares nothing, as for a
retired specialist, the other model is asked by its name: that is no evidence for the gateway.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lab.comparison.rows import Row
from lab.demonstration.gateway import Answer, Broken, Gateway
from lab.demonstration.records import Request
from router.grading.registry import GRADERS, as_read

_ROUTED = ("routed", "no_active_specialist")
"""The classifier was sure of a domain with a specialist, who may have traffic or not."""
_COMPARED = ("active", "shadow", "probation")


def grade(row: Row, text: str) -> float:
    """The quality of an answer by its row's grader, in [0, 1]."""
    read = as_read(text, row.grader, row.reference.answer)
    return GRADERS[row.grader](read, row.reference).quality


@dataclass(frozen=True)
class Visitor:
    """A user who tells what answers were worth.

    Attributes:
        gateway: whom it asks.
        generalist: its name.
        specialists: by domain.
        state: of a specialist, as far as is known.
        wall_clock: Unix seconds.
        pair_seconds: how long it waits for the other answer.
        prefix: of request ids, so that two runs never share one.
    """

    gateway: Gateway
    generalist: str
    specialists: Mapping[str, str]
    state: Callable[[str], str]
    wall_clock: Callable[[], float]
    pair_seconds: float
    prefix: str

    async def visit(self, row: Row, number: int, phase: int) -> Request:
        """Asks, grades, tells."""
        sent = Request(number, phase, row.key, row.domain, self.wall_clock())
        request_id = f"{self.prefix}-{number}"
        try:
            answer = await self.gateway.ask("auto", row, request_id)
        except Broken as error:
            return replace(sent, error=str(error))
        specialist = self._specialist(answer)
        answered = replace(
            sent,
            model=answer.model,
            reason=answer.reason,
            specialist=specialist,
            outcomes={answer.model: grade(row, answer.text)},
        )
        if specialist is None:
            return answered
        try:
            return await self._with_the_other(answered, row, request_id)
        except Broken as error:
            return replace(answered, error=str(error))

    def _specialist(self, answer: Answer) -> str | None:
        return self.specialists.get(answer.domain) if answer.reason in _ROUTED else None

    async def _with_the_other(self, answered: Request, row: Row, request_id: str) -> Request:
        specialist = answered.specialist or ""
        other = self.generalist if answered.model == specialist else specialist
        pair = None
        if self.state(specialist) in _COMPARED:
            pair = await self.gateway.pair(request_id, self.pair_seconds)
        if pair is None:
            text = (await self.gateway.ask(other, row, f"{request_id}-by-name")).text
            return replace(answered, outcomes={**answered.outcomes, other: grade(row, text)})
        outcomes = {**answered.outcomes, other: grade(row, pair[other])}
        paired = await self.gateway.tell(request_id, outcomes)
        return replace(answered, outcomes=outcomes, paired=paired)
