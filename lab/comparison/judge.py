"""A language model as the judge of two answers: asked twice, with the answers in either order.

It is asked of each arm's answer beside the baseline's. An arm whose answer it prefers both times
has won; if it changes its mind with the order, or sees none ahead, they are alike. The judge may
be none of the models that are compared.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lab.comparison.client import ChatRequest
from lab.comparison.endpoint import Endpoint
from lab.comparison.errors import ComparisonError
from lab.comparison.experiment import GENERALIST, Experiment
from lab.comparison.outcomes import Outcome
from lab.comparison.rows import JUDGE, Row, Turn

ALIKE = 0.5
"""The quality of an answer that is as good as the baseline's, and so of the baseline's own."""
_MAX_TOKENS = 512
"""For judges that think aloud before they say it."""
_ORDERS = ("first", "second")
Preference = Literal["A", "B", "neither"]

_INSTRUCTION = """You compare two answers to one request. Judge what they say: is it right, \
complete and to the point? Length, manner and order do not matter.{reference}

[Request]
{request}

[Answer A]
{a}

[Answer B]
{b}

Which answer is better? End with one line: VERDICT: A, or VERDICT: B, or VERDICT: NEITHER."""
_VERDICT = re.compile(r"verdict\W*(A|B|neither)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Judge:
    """Who judges."""

    endpoint: Endpoint
    model: str


def check_judge(judge: Judge, experiment: Experiment) -> None:
    """Sees to it that nobody judges himself.

    Raises:
        ComparisonError: the judge is one of the arms, or a model that `auto` may choose.
    """
    compared = {experiment.auto, experiment.generalist, *experiment.solo, *experiment.models}
    if judge.model in compared:
        raise ComparisonError(
            f"--judge-model {judge.model}: is among the models that are compared; a judge must be "
            "none of them"
        )


def judgements(
    rows: Sequence[Row], outcomes: Mapping[str, Mapping[str, Outcome]], judge: Judge
) -> list[ChatRequest]:
    """The questions to the judge, two for each pair of answers that differ.

    Args:
        rows: all; those without a judge are passed over.
        outcomes: by arm and row.
        judge: is asked.
    """
    found = []
    for row in rows:
        baseline = outcomes[GENERALIST].get(row.key)
        if row.grader != JUDGE or baseline is None or baseline.error:
            continue
        for arm, of_rows in outcomes.items():
            answer = of_rows.get(row.key)
            if arm == GENERALIST or answer is None or answer.error or _alike(answer, baseline):
                continue
            for order in _ORDERS:
                pair = (answer, baseline) if order == _ORDERS[0] else (baseline, answer)
                said = _question(row, *pair)
                name = f"{arm}/{order}"
                found.append(
                    ChatRequest(row.key, name, judge.model, judge.endpoint, said, _MAX_TOKENS)
                )
    return found


def _question(row: Row, a: Outcome, b: Outcome) -> tuple[Turn, ...]:
    known = row.reference.answer
    text = _INSTRUCTION.format(
        reference=f" A right answer is: {known}" if known else "",
        request="\n\n".join(f"{turn.role}: {turn.content}" for turn in row.chat),
        a=a.text or "(empty)",
        b=b.text or "(empty)",
    )
    return (Turn(role="user", content=text),)


def judged_quality(
    arm: str, answer: Outcome, baseline: Outcome, said: Mapping[str, Outcome]
) -> float:
    """An answer's quality beside the baseline's: 1 better, 0 worse, 0.5 alike.

    Args:
        arm: whose answer it is.
        answer: its answer; a failed one is worth nothing.
        baseline: the baseline's; beside a failed one any answer wins.
        said: what the judge said of this row, by the names that `judgements` gave.
    """
    if answer.error:
        return 0.0
    if baseline.error:
        return 1.0
    if arm == GENERALIST:
        return ALIKE
    preferred = [
        _preference(said[f"{arm}/{order}"].text) if f"{arm}/{order}" in said else "neither"
        for order in _ORDERS
    ]
    # In the second order the arm's answer is B.
    return {("A", "B"): 1.0, ("B", "A"): 0.0}.get((preferred[0], preferred[1]), ALIKE)


def unread(said: Iterable[Outcome]) -> int:
    """How many questions to the judge have no verdict that can be read."""
    return sum(not _VERDICT.search(of.text) for of in said)


def _preference(text: str) -> Preference:
    """What the judge's last word was; what cannot be read is no preference."""
    found = _VERDICT.findall(text)
    if not found:
        return "neither"
    last = found[-1].upper()
    return last if last in ("A", "B") else "neither"


def _alike(answer: Outcome, baseline: Outcome) -> bool:
    return answer.text.strip() == baseline.text.strip()
