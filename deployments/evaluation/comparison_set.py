"""Test rows of the niches and general questions as a file of prompts for `niche compare`.

The specialists are asked as users write. The generalist was not trained for any of it, so a niche's
row also says how it is to be asked: with an instruction, and examples where wanted
(`deployments.evaluation.prompts`). Nothing is added to anybody's answer there: the instruction for
word problems asks for the result too.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deployments.evaluation.prompts import FEW_SHOT, INSTRUCTIONS, ZERO_SHOT, Way, ask
from deployments.evaluation.tasks import GENERAL, general_task, niche_tasks
from deployments.graders.registry import GRADERS
from deployments.niches.niche import Example, Niche

__all__ = ["WAYS_TO_ASK", "comparison_rows"]

WAYS_TO_ASK: Mapping[str, Way | None] = {
    "plain": None,
    "zero-shot": ZERO_SHOT,
    "few-shot": FEW_SHOT,
}
"""How the generalist is asked; `plain` is as everybody is."""

_KINDER = {"sql": "sql_execution"}
"""Graders that take another's right answer for one too: a generalist writes a query its own way."""
_INSTRUCTIONS = {
    **INSTRUCTIONS,
    "math": (
        "Solve the word problem. Answer with the arithmetic and its result alone, in one line. "
        "Like this: (3 + 4) * 2 = 14"
    ),
}


def comparison_rows(
    niches: Sequence[Niche], rows: int, data_dir: Path, way: Way | None
) -> Iterator[dict[str, Any]]:
    """Rows of each niche's test set, and of the general questions.

    Args:
        niches: whose.
        rows: of each niche at most, and of the general questions; fewer where a right answer cannot
            be graded.
        data_dir: where the data sets lie.
        way: how the generalist is asked a niche's questions; None: as everybody is.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    for niche in niches:
        task = niche_tasks(niche, rows, data_dir)[0]
        grader = _KINDER.get(niche.graders[0], niche.graders[0])
        kept = [of.example for of in task.questions if _gradable(of.example, grader)]
        chats = _chats(way, niche, kept, data_dir)
        groups = Counter(of.group for of in kept)
        # Groups of very many rows are kinds of them, such as an intent, and no common source.
        shared = {of for of, rows in groups.items() if rows > 1 and len(groups) > len(kept) / 2}
        for example, chat in zip(kept, chats, strict=True):
            yield {
                **_row(example, grader, niche.name, task.max_answer_tokens),
                **({"group": example.group} if example.group in shared else {}),
                **({"generalist_messages": chat} if chat else {}),
            }
    yield from _general(rows, data_dir)


def _chats(
    way: Way | None, niche: Niche, examples: Sequence[Example], data_dir: Path
) -> list[list[dict[str, str]]]:
    if way is None:
        return [[] for _ in examples]
    train = [
        replace(of, answer=of.answer + niche.complete(of.answer))
        for of in niche.examples("train", data_dir)
    ]
    asked = ask(way, niche, [of.prompt for of in examples], train, _INSTRUCTIONS)
    return [[{"role": of.role, "content": of.content} for of in chat] for chat in asked]


def _general(rows: int, data_dir: Path) -> Iterator[dict[str, Any]]:
    """As many of each source."""
    task = general_task(max(1, rows // 2), data_dir)
    for question in task.questions:
        yield _row(question.example, question.graders[0], GENERAL, task.max_answer_tokens)


def _gradable(example: Example, grader: str) -> bool:
    """Whether the right answer is right by its grader: a few of WikiSQL's queries do not run."""
    try:
        return GRADERS[grader](example.answer, example.reference).quality == 1
    except ValueError:
        return False


def _row(example: Example, grader: str, domain: str, max_tokens: int) -> dict[str, Any]:
    schema = {"schema": example.schema} if example.schema else {}
    return {
        "prompt": example.prompt,
        "answer": example.answer,
        "grader": grader,
        "domain": domain,
        "max_tokens": max_tokens,
        **schema,
    }
