"""A language model as the judge of two answers, asked twice with the order of the answers swapped.

It compares each arm's answer with the baseline's; `router.grading.judge` has the questions and
reads the replies. The judge must not be one of the compared models.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.comparison.client import ChatRequest
from lab.comparison.endpoint import Endpoint
from lab.comparison.errors import ComparisonError
from lab.comparison.experiment import GENERALIST, Experiment
from lab.comparison.outcomes import Outcome
from lab.comparison.rows import JUDGE, Row, Turn
from router.grading.judge import MAX_TOKENS, TIE, are_alike, grade, questions, read_reply

_ORDERS = ("first", "second")
"""The names of the two questions."""


@dataclass(frozen=True)
class Judge:
    """The judge's endpoint and model."""

    endpoint: Endpoint
    model: str


def check_judge(judge: Judge, experiment: Experiment) -> None:
    """Checks that the judge is not one of the compared models.

    Raises:
        ComparisonError: the judge is an arm, or a model that `auto` may choose.
    """
    compared = {experiment.auto, experiment.generalist, *experiment.solo, *experiment.models}
    if judge.model in compared:
        raise ComparisonError(
            f"--judge-model {judge.model}: it is one of the compared models; name a model that is "
            "not compared"
        )


def judgements(
    rows: Sequence[Row], outcomes: Mapping[str, Mapping[str, Outcome]], judge: Judge
) -> list[ChatRequest]:
    """The questions to the judge, two for each pair of answers that differ.

    Args:
        rows: all rows; those with another grader are skipped.
        outcomes: outcomes by arm and row.
        judge: the judge.
    """
    found = []
    for row in rows:
        baseline = outcomes[GENERALIST].get(row.key)
        if row.grader != JUDGE or baseline is None or baseline.error:
            continue
        for arm, of_rows in outcomes.items():
            answer = of_rows.get(row.key)
            if arm == GENERALIST or answer is None or answer.error:
                continue
            if are_alike(answer.text, baseline.text):
                continue
            pair = questions(_request(row), answer.text, baseline.text, row.reference.answer)
            for order, text in zip(_ORDERS, pair, strict=True):
                said = (Turn(role="user", content=text),)
                name = f"{arm}/{order}"
                found.append(
                    ChatRequest(row.key, name, judge.model, judge.endpoint, said, MAX_TOKENS)
                )
    return found


def _request(row: Row) -> str:
    return "\n\n".join(f"{turn.role}: {turn.content}" for turn in row.chat)


def judged_quality(
    arm: str, answer: Outcome, baseline: Outcome, said: Mapping[str, Outcome]
) -> float | None:
    """An answer's quality relative to the baseline's: 1 better, 0 worse, 0.5 equal; None: no
    verdict.

    Args:
        arm: the arm's name.
        answer: the arm's answer; a failed one gets 0.
        baseline: the baseline's answer; any answer wins against a failed one.
        said: the judge's replies on this row, by the names from `judgements`.
    """
    if answer.error:
        return 0.0
    if baseline.error:
        return 1.0
    if arm == GENERALIST or are_alike(answer.text, baseline.text):
        return TIE
    replies = (said.get(f"{arm}/{order}") for order in _ORDERS)
    return grade(*(None if reply is None else reply.text for reply in replies))


def unread(said: Iterable[Outcome]) -> int:
    """The number of unreadable replies of the judge."""
    return sum(read_reply(of.text) is None for of in said)
