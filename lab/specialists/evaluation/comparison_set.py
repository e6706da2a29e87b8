"""Test rows of the niches and general questions as a file of prompts for `niche compare`.

The specialists get the prompts as users write them. The generalist was not trained for the niches,
so their rows also have a prompt for it, with an instruction and optional examples
(`lab.specialists.evaluation.prompts`). `niche compare` adds nothing to a generalist's answer, so
with examples the instruction for word problems also asks for the result.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.specialists.evaluation.prompts import (
    FEW_SHOT,
    ZERO_SHOT,
    PromptStyle,
    answer_tokens,
    chats_for,
)
from lab.specialists.evaluation.tasks import GENERAL, Question, Task, general_task, niche_tasks
from lab.specialists.niche import Example, Niche
from router.grading.registry import GRADERS

GENERALIST_PROMPTS: Mapping[str, PromptStyle | None] = {
    "plain": None,
    "zero-shot": ZERO_SHOT,
    "few-shot": FEW_SHOT,
}
"""How the generalist is prompted; `plain` is like every other model."""

_LENIENT = {"sql": "sql_execution"}
"""Graders that accept every form of a right answer, such as equivalent queries."""


def default_rows(
    niches: Sequence[Niche], count: int, data_dir: Path, style: PromptStyle | None
) -> Iterator[dict[str, Any]]:
    """The same number of rows from each default niche and of general ones; see
    `comparison_rows`."""
    tasks = [niche_tasks(niche, count, data_dir)[0] for niche in niches]
    tasks.append(general_task(max(1, count // 2), data_dir))  # of each of its two sources
    return comparison_rows(tasks, data_dir, style)


def comparison_rows(
    tasks: Sequence[Task], data_dir: Path, style: PromptStyle | None
) -> Iterator[dict[str, Any]]:
    """One row for every question whose right answer passes its grader.

    Args:
        tasks: the niches' tasks and the general one.
        data_dir: the folder of the data sets; the generalist's examples are training rows.
        style: the generalist's style of prompt for a niche's questions; None: like every model.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    for task in tasks:
        kept = [of for of in _once(task.questions) if _gradable(of.example, _grader(of))]
        groups = Counter(of.example.group for of in kept)
        # Very large groups are kinds of rows, such as an intent, and no common source.
        shared = {of for of, rows in groups.items() if rows > 1 and len(groups) > len(kept) / 2}
        chats = _chats(style, task.niche, [of.example.prompt for of in kept], data_dir)
        for question, chat in zip(kept, chats, strict=True):
            group = question.example.group
            yield {
                **_row(question, task.niche.name if task.niche else GENERAL),
                "max_tokens": answer_tokens(style, task.niche)
                if style and task.niche
                else task.max_answer_tokens,
                **({"group": group} if group in shared else {}),
                **({"generalist_messages": chat} if chat else {}),
            }


def _chats(
    style: PromptStyle | None, niche: Niche | None, prompts: Sequence[str], data_dir: Path
) -> list[list[dict[str, str]]]:
    if style is None or niche is None:
        return [[] for _ in prompts]
    train = [niche.completed(of) for of in niche.examples("train", data_dir)]
    asked = chats_for(style, niche, prompts, train, completes=False)
    return [[{"role": of.role, "content": of.content} for of in chat] for chat in asked]


def _once(questions: Sequence[Question]) -> list[Question]:
    """Removes duplicate prompts, which some sets have and `niche compare` rejects."""
    return list({question.example.prompt: question for question in questions}.values())


def _grader(question: Question) -> str:
    return _LENIENT.get(question.graders[0], question.graders[0])


def _gradable(example: Example, grader: str) -> bool:
    """Whether the right answer passes its grader: a few of WikiSQL's queries do not run."""
    try:
        return GRADERS[grader](example.answer, example.reference).quality == 1
    except ValueError:
        return False


def _row(question: Question, domain: str) -> dict[str, Any]:
    example = question.example
    return {
        "prompt": example.prompt,
        "answer": example.answer,
        "grader": _grader(question),
        "domain": domain,
        **({"schema": example.schema} if example.schema else {}),
    }
