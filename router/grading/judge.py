"""A language model as the judge of two answers: the questions, and how to read the replies.

A judge is asked twice, with the answers in both orders, because judges have a position bias: one
that prefers the first answer both times saw no difference. Each order counts for half of the grade.
An unreadable reply is no verdict, rather than a tie: a rambling judge would otherwise make all
answers look equal.
"""

import re

TIE = 0.5
"""The score of an answer that is as good as the other."""
MAX_TOKENS = 512
"""The limit of a reply; leaves room for reasoning before the verdict."""

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
# In capitals, since `a` is also an article, and at the end of its line.
_VERDICT = re.compile(
    r"(?i:verdict)\W*(?i:(?:answer|a)\W+)?(A|B|(?i:tie))\b[^\w\n]*$", re.MULTILINE
)
_ALONE = re.compile(r"\W*(A|B|TIE)\W*", re.IGNORECASE)
_SCORES = {"A": 1.0, "B": 0.0, "TIE": TIE}


def are_alike(first: str, second: str) -> bool:
    """Whether two answers are the same text, so that they need no judge."""
    return first.strip() == second.strip()


def questions(request: str, first: str, second: str, reference: str = "") -> tuple[str, str]:
    """The two questions about two answers to a request: in one the first answer is A, in the other
    it is B. They include the reference, a right answer, if there is one."""
    return _question(request, first, second, reference), _question(
        request, second, first, reference
    )


def grade(forward: str | None, reverse: str | None) -> float | None:
    """The first answer's score in [0, 1] by the replies to both questions; the second's is 1 minus
    that. None: no verdict, since a reply is missing or unreadable."""
    first, second = read_reply(forward or ""), read_reply(reverse or "")
    if first is None or second is None:
        return None
    return (first + 1 - second) / 2


def read_reply(reply: str) -> float | None:
    """The score of answer A by one reply; None: it is unreadable.

    The last `VERDICT:` counts whose line ends with the answer's letter or a tie, or a reply of a
    single word. A reply that merely names an answer is ambiguous: "B. Answer A is wrong."
    """
    verdicts, single_word = _VERDICT.findall(reply), _ALONE.fullmatch(reply)
    word = verdicts[-1] if verdicts else single_word[1] if single_word else ""
    return _SCORES.get(word.upper())


def _question(request: str, a: str, b: str, reference: str) -> str:
    return _QUESTION.format(
        reference=f"\nA right answer is: {reference}" if reference else "",
        request=request,
        a=a or "(empty)",
        b=b or "(empty)",
    )
