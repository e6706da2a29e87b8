"""A model that says which of two answers is better, asked in both orders.

Judges favour a place: one that names the first answer in both orders has seen no difference. So a
win is worth half in each order. What cannot be read is no verdict, and not a tie: a judge that
rambles would prove every specialist to be no worse.
"""

import re
from contextlib import aclosing
from dataclasses import dataclass

from deployments.protocol import Backend, Message, Prompt, Sampling, Usage

_QUESTION = """Two assistants answered the same request. Which answer serves the request better?
Judge what is right and asked for, not length or style.

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
_MAX_TOKENS = 512
"""Room for one that thinks aloud first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The scores of two answers, which sum to 1, and what the judge used.

    `scores` is None where what it said cannot be read.
    """

    scores: tuple[float, float] | None
    usage: Usage


class Judge:
    """Asks a model that is none of those compared.

    Args:
        backend: the model.
        timeout_seconds: for each of the two questions.
    """

    def __init__(self, backend: Backend, timeout_seconds: float) -> None:
        self._backend, self._timeout = backend, timeout_seconds

    async def compare(self, prompt: Prompt, first: str, second: str) -> Verdict:
        """Scores two answers to a prompt.

        Raises:
            BackendError: the judge did not answer.
        """
        if first.strip() == second.strip():
            return Verdict((0.5, 0.5), Usage(0, 0))
        there, used = await self._ask(prompt, first, second, "there")
        back, used_again = await self._ask(prompt, second, first, "back")
        tokens = Usage(
            used.prompt_tokens + used_again.prompt_tokens,
            used.completion_tokens + used_again.completion_tokens,
        )
        if there is None or back is None:
            return Verdict(None, tokens)
        won = (there + 1 - back) / 2
        return Verdict((won, 1 - won), tokens)

    async def _ask(self, prompt: Prompt, a: str, b: str, order: str) -> tuple[float | None, Usage]:
        """What the answer in the first place scores in this order; None: it cannot be read."""
        words = _QUESTION.format(request=_request(prompt), a=a, b=b)
        question = Prompt(
            request_id=f"{prompt.request_id}-judge-{order}",
            messages=(Message("user", words),),
            sampling=Sampling(max_tokens=_MAX_TOKENS, temperature=0.0),
            deadline_seconds=self._timeout,
        )
        text, usage = "", Usage(0, 0)
        async with aclosing(self._backend.stream(question)) as chunks:
            async for chunk in chunks:
                text, usage = text + chunk.text, chunk.usage or usage
        return _score(text), usage


def _request(prompt: Prompt) -> str:
    if prompt.text is not None:
        return prompt.text
    return "\n".join(f"{message.role}: {message.content}" for message in prompt.messages)


def _score(reply: str) -> float | None:
    """1 for A, 0 for B, by the last verdict, or by a reply that is one word.

    Who names an answer beside it may mean either: "B. Answer A is wrong."
    """
    found, alone = _VERDICT.findall(reply), _ALONE.fullmatch(reply)
    word = found[-1] if found else alone[1] if alone else ""
    return {"A": 1.0, "B": 0.0, "TIE": 0.5}.get(word.upper())
