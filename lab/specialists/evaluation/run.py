"""Runs every candidate on every task, keeps the answers, and grades them.

Nothing is generated twice: an interrupted run resumes, and a run with more rows generates only the
new ones. Seconds are measured on this machine, so answers from another machine or precision are not
reused.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoTokenizer

from lab.specialists.evaluation.answers import (
    AnswerFile,
    Chat,
    Degeneration,
    GeneratedAnswer,
    degeneration,
    prompt_key,
)
from lab.specialists.evaluation.flops import Shape, request_flops
from lab.specialists.evaluation.generate import BATCH_SIZE, Generator
from lab.specialists.evaluation.matrix import GradedRows, Matrix, matrix
from lab.specialists.evaluation.plan import Candidate, Plan, Weights
from lab.specialists.evaluation.served import ServedGenerator
from lab.specialists.evaluation.tasks import Task
from lab.specialists.merged_model import load_model

TORCH = "torch"
"""What training uses: whole batches, in the settings' precision."""


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Attributes:
        work_dir: the folder for stored answers.
        machine: its description; answers from another machine are not reused.
        dtype: of the weights.
        batch_size: questions per batch.
        threads: CPU threads; None leaves them to the engine.
        engine: what runs the models: torch, or an engine as in niche.yaml.
        cache: the folder of model files, for an engine of ours.
    """

    work_dir: Path
    machine: str
    dtype: Literal["float32", "bfloat16"] = "float32"
    batch_size: int = BATCH_SIZE
    threads: int | None = None
    engine: str = TORCH
    cache: Path = Path()


@dataclass(frozen=True)
class Degenerations:
    """A model's answers on its own sets and on all others; all sets are a generalist's own."""

    model: str
    home: Degeneration
    elsewhere: Degeneration


@dataclass(frozen=True)
class Report:
    """A run's figures; `shapes` are the candidates' sizes by name."""

    plan: Plan
    matrix: Matrix
    degenerations: tuple[Degenerations, ...]
    shapes: Mapping[str, Shape]


_Answers = Mapping[tuple[str, str], Sequence[GeneratedAnswer]]
"""Answers by candidate and set, in the order of the set's questions."""


def run(plan: Plan, settings: Settings) -> Report:
    """Computes the plan's figures, generating the answers that are not stored yet.

    Raises:
        ModelError: a model cannot be loaded, or a question does not fit its context.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    answers: dict[tuple[str, str], list[GeneratedAnswer]] = {}
    loader = _ModelLoader(settings)
    try:
        for candidate in plan.candidates:
            for task in plan.tasks:
                chats = candidate.chats(task)
                if chats is not None:
                    answers[candidate.name, task.name] = _answered(candidate, task, chats, loader)
    finally:
        loader.close()
    shapes = {of.name: _shape(of.weights) for of in plan.candidates}
    groups = {task.name: task.groups for task in plan.tasks}
    found = matrix(_graded(plan, answers, shapes), plan.spec, groups)
    return Report(plan, found, _degenerations(plan, answers), shapes)


class _ModelLoader:
    """Keeps the last model in memory: candidates with the same weights are adjacent."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._loaded: tuple[Weights, Generator | ServedGenerator] | None = None

    def load(self, weights: Weights) -> Generator | ServedGenerator:
        if self._loaded is None or self._loaded[0] != weights:
            self.close()  # frees the other's memory first
            self._loaded = (weights, self._generator(weights))
        return self._loaded[1]

    def close(self) -> None:
        """Frees the model's memory."""
        if self._loaded is not None and isinstance(self._loaded[1], ServedGenerator):
            self._loaded[1].close()
        self._loaded = None

    def _generator(self, weights: Weights) -> Generator | ServedGenerator:
        own = self.settings
        if own.engine != TORCH:
            return ServedGenerator(weights, own.engine, own.cache, own.batch_size, own.threads)
        tokenizer = AutoTokenizer.from_pretrained(weights.base)
        model = load_model(weights.base, weights.adapter, getattr(torch, own.dtype))
        return Generator(model, tokenizer, own.batch_size)

    def conditions(self) -> dict[str, Any]:
        """The conditions that affect an answer and its seconds, besides weights and prompt."""
        if self.settings.engine != TORCH:
            settings = self.settings
            return {
                "machine": settings.machine,
                "engine": settings.engine,
                "threads": settings.threads,
                "batch_size": settings.batch_size,
            }
        cuda = torch.cuda.is_available()
        return {
            "machine": self.settings.machine,
            "device": torch.cuda.get_device_name() if cuda else "cpu",
            "threads": torch.get_num_threads(),
            "dtype": self.settings.dtype,
            "batch_size": self.settings.batch_size,
        }


def _answered(
    candidate: Candidate, task: Task, chats: Sequence[Chat], loader: _ModelLoader
) -> list[GeneratedAnswer]:
    limit = candidate.answer_tokens(task)
    identity = {
        **candidate.weights.identity,
        **loader.conditions(),
        "max_answer_tokens": limit,
    }
    own = "" if loader.settings.engine == TORCH else f"-{loader.settings.engine}"
    folder = loader.settings.work_dir / f"{_slug(candidate.name)}{own}"
    file = AnswerFile(folder / f"{_slug(task.name)}.jsonl", identity)
    keys = [prompt_key(chat) for chat in chats]
    known = file.read()
    missing = {of: chat for of, chat in zip(keys, chats, strict=True) if of not in known}
    if missing:
        generator = loader.load(candidate.weights)
        names, asked = list(missing), list(missing.values())
        with tqdm(total=len(asked), unit="row", desc=f"{candidate.name} on {task.name}") as bar:
            for batch in generator.answers(asked, limit):
                given = {names[place]: answer for place, answer in batch}
                file.append(given)
                known |= given
                bar.update(len(batch))
    return [known[key] for key in keys]


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)


def _shape(weights: Weights) -> Shape:
    return Shape.of(json.loads((weights.base / "config.json").read_text(encoding="utf-8")))


def _graded(
    plan: Plan, answers: _Answers, shapes: Mapping[str, Shape]
) -> dict[tuple[str, str], GradedRows]:
    graded = {}
    tasks = {task.name: task for task in plan.tasks}
    for (model, name), given in answers.items():
        flops = partial(_flops, shapes[model])
        operations = np.array([flops(answer) for answer in given], dtype=np.float64)
        seconds = np.array([answer.seconds for answer in given])
        columns, counts = tasks[name].columns, tasks[name].grade(given)
        for column, counted in zip(columns, counts, strict=True):
            graded[model, column.name] = GradedRows(counted, operations, seconds)
    return graded


def _flops(shape: Shape, answer: GeneratedAnswer) -> int:
    # The token that ends the turn is generated too.
    generated = answer.answer_tokens + (not answer.cut)
    return request_flops(shape, answer.prompt_tokens, generated)


def _degenerations(plan: Plan, answers: _Answers) -> tuple[Degenerations, ...]:
    own = {model: niche for niche, model in plan.spec.specialists.items()}
    found = []
    for candidate in plan.candidates:
        home: list[GeneratedAnswer] = []
        elsewhere: list[GeneratedAnswer] = []
        for task in plan.tasks:
            at_home = candidate.name not in own or (
                task.niche is not None and task.niche.name == own[candidate.name]
            )
            given = answers.get((candidate.name, task.name), ())
            (home if at_home else elsewhere).extend(given)
        found.append(Degenerations(candidate.name, degeneration(home), degeneration(elsewhere)))
    return tuple(found)
