"""Scores a model on a niche's test rows: greedy decoding, graded as in the niche matrix."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from tqdm import tqdm
from transformers import AutoTokenizer

from deployments.models.adapters import load_adapter
from deployments.protocol import Message
from lab.specialists.evaluation.answers import GeneratedAnswer
from lab.specialists.evaluation.generate import Generator
from lab.specialists.evaluation.tasks import Task, niche_tasks
from lab.specialists.merged_model import load_model
from lab.specialists.niche import Niche
from lab.statistics.quality import quality_interval


@dataclass(frozen=True)
class Score:
    """The quality of a model's answers to `examples` test rows.

    Attributes:
        quality: by the niche's first grader, in [0, 1]: the share of right answers, or F1 if an
            answer is a list of items.
        examples: rows.
        low: the lower bound of its 95 % interval: Wilson's for right-or-wrong answers that share
            no group, else bootstrapped over groups.
        high: the upper bound.
        cut: answers that the length limit ended.
        mean_prompt_tokens: including the system prompt.
        mean_answer_tokens: without the one that ends the turn.
    """

    quality: float
    examples: int
    low: float
    high: float
    cut: int
    mean_prompt_tokens: float
    mean_answer_tokens: float


def evaluate(
    niche: Niche, base: Path, adapter: Path | None, data_dir: Path, count: int | None = None
) -> Score:
    """Grades a base model, with or without an adapter, on test rows.

    Args:
        niche: its test rows, system prompt and first grader.
        base: a local transformers model directory.
        adapter: an adapter directory, or None for the base model alone.
        data_dir: the folder of the data sets.
        count: the number of test rows, drawn by their text; None: all.

    Raises:
        DatasetError: a data set is absent or altered.
        ModelError: the adapter cannot be used.
    """
    task, *_ = niche_tasks(niche, sys.maxsize if count is None else count, data_dir)
    trained = load_adapter(str(adapter)) if adapter is not None else None
    model = load_model(base, trained, torch.float32)
    answers = _answers(Generator(model, AutoTokenizer.from_pretrained(base)), task, niche)
    found = quality_interval(task.grade(answers)[0], task.groups, niche.name)
    return Score(
        quality=found.value,
        examples=len(answers),
        low=found.low,
        high=found.high,
        cut=sum(answer.cut for answer in answers),
        mean_prompt_tokens=fmean(answer.prompt_tokens for answer in answers),
        mean_answer_tokens=fmean(answer.answer_tokens for answer in answers),
    )


def _answers(generator: Generator, task: Task, niche: Niche) -> Sequence[GeneratedAnswer]:
    chats = [
        [Message("system", niche.system_prompt), Message("user", question.example.prompt)]
        for question in task.questions
    ]
    found: dict[int, GeneratedAnswer] = {}
    with tqdm(total=len(chats), unit="row") as bar:
        for batch in generator.answers(chats, task.max_answer_tokens):
            found |= batch
            bar.update(len(batch))
    return [found[place] for place in range(len(chats))]
