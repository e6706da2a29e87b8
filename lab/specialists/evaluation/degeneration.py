"""Answers that do not come to an end: loops, and answers that the length limit cut.

Both cost time and money and are worth nothing; how often a model gives such answers is a figure of
its own. Pure: token ids in, figures out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.specialists.evaluation.answers import Answer

_LONGEST_PERIOD = 20
_REPEATS = 4
_COVERED = 12


def loops(tokens: Sequence[int]) -> bool:
    """Whether a sequence ends in a loop.

    That is: its end repeats some 1 to 20 tokens at least 4 times, over at least 12 tokens. A loop
    that was cut within a repetition counts like one cut after it.

    Args:
        tokens: an answer's token ids, without the one that ends the turn.
    """
    for period in range(1, _LONGEST_PERIOD + 1):
        length = max(period * _REPEATS, _COVERED)
        if len(tokens) < length:
            return False  # the longer periods need as many tokens or more
        end = tokens[-length:]
        if all(end[place] == end[place - period] for place in range(period, length)):
            return True
    return False


@dataclass(frozen=True)
class Degeneration:
    """Of `answers`: the share that ends in a loop, the share that the limit cut, the mean tokens.

    Shares and mean are nan where there is no answer.
    """

    answers: int
    looping: float
    cut: float
    mean_tokens: float


def degeneration(answers: Sequence[Answer]) -> Degeneration:
    """The figures over a model's answers."""
    count = len(answers)
    if not count:
        return Degeneration(0, float("nan"), float("nan"), float("nan"))
    return Degeneration(
        count,
        sum(answer.loops for answer in answers) / count,
        sum(answer.cut for answer in answers) / count,
        sum(answer.answer_tokens for answer in answers) / count,
    )
