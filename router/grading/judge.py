"""A language model as the judge of two answers: what it is asked, and what its replies are worth.

A judge is asked twice, with the answers in either order, for judges favour a place: one that names
the first answer both times has seen no difference. Each order is worth half of the grade. A reply
that cannot be read is no verdict, and not a tie: a judge that rambles would prove every answer to
be as good as the other.
"""

import re

TIE = 0.5
"""The score of an answer that is as good as the other; the same text needs no judge to get it."""
MAX_TOKENS = 512
"""Of a reply: room for a judge that thinks aloud first."""

_QUESTION = """Two assistants answered the same request. Which answer serves the request better?
Judge what is right and asked for, not length or style.{reference}

<request>
{request}
</request>

<answer_a>
{a}
</answer_a>

<answer_b>
{b}
</answer_b>

End with one line: VERDICT: A, or VERDICT: B, or VERDICT: TIE."""
_VERDICT = re.compile(r"verdict\W*(A|B|TIE)\b", re.IGNORECASE)
_ALONE = re.compile(r"\W*(A|B|TIE)\W*", re.IGNORECASE)
_SCORES = {"A": 1.0, "B": 0.0, "TIE": TIE}


def are_alike(first: str, second: str) -> bool:
    """Whether two answers are the same text, which nobody has to judge."""
    return first.strip() == second.strip()


def questions(request: str, first: str, second: str, reference: str = "") -> tuple[str, str]:
    """The two questions about two answers to a request: in one the first answer is A, in the other
    it is B. They tell the judge the reference, a right answer, if one is known."""
    return _question(request, first, second, reference), _question(
        request, second, first, reference
    )


def grade(forward: str | None, reverse: str | None) -> float | None:
    """The first answer's score in [0, 1] by the replies to both questions; the second one's is the
    rest. None: no verdict, for a reply is missing or cannot be read."""
    first, second = read_reply(forward or ""), read_reply(reverse or "")
    if first is None or second is None:
        return None
    return (first + 1 - second) / 2


def read_reply(reply: str) -> float | None:
    """The score of answer A by one reply; None: it cannot be read.

    The last verdict counts, or a reply that is one word. A reply that merely names an answer may
    mean either: "B. Answer A is wrong."
    """
    found, alone = _VERDICT.findall(reply), _ALONE.fullmatch(reply)
    word = found[-1] if found else alone[1] if alone else ""
    return _SCORES.get(word.upper())


def _question(request: str, a: str, b: str, reference: str) -> str:
    return _QUESTION.format(
        reference=f"\nA right answer is: {reference}" if reference else "",
        request=request,
        a=a or "(empty)",
        b=b or "(empty)",
    )
