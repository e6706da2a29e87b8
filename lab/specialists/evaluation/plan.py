"""Which models get which prompts: from niches and model references to candidates and tasks.

A specialist always gets its own system prompt, as it would after a wrong route. A generalist is
prompted by `lab.specialists.evaluation.prompts`, and is one candidate per style.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deployments.models.adapters import ADAPTERS, Adapter, load_adapter
from deployments.models.checksum import sha256_of
from deployments.models.errors import ModelError
from deployments.models.resolve import resolve
from deployments.protocol import Message
from lab.specialists.evaluation.matrix import MatrixSpec
from lab.specialists.evaluation.prompts import (
    FEW_SHOT,
    PROMPT_STYLES,
    ZERO_SHOT,
    PromptStyle,
    answer_tokens,
    chats_for,
)
from lab.specialists.evaluation.tasks import Task, general_task, niche_tasks
from lab.specialists.niche import Example, Niche

# The chat template is in the tokenizer's settings, or in its own file.
_BESIDE_WEIGHTS = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")

Chats = Callable[[Task], Sequence[tuple[Message, ...]] | None]
"""Maps a task to one chat per question; None if the model is not evaluated on it."""


def _limit_of(task: Task) -> int:
    return task.max_answer_tokens


@dataclass(frozen=True)
class Weights:
    """The weights to load: a base model's directory, and the adapter merged into it.

    Attributes:
        reference: the base as the operator names it.
        base: its directory.
        adapter: None for the base alone.
    """

    reference: str
    base: Path
    adapter: Adapter | None = None

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Checksums of everything that determines an answer, as JSON values.

        Raises:
            ModelError: the directory holds no weights.
        """
        files = sorted(self.base.glob("*.safetensors"))
        if not files:
            raise ModelError(f"model {self.reference!r}: {self.base} has no *.safetensors")
        others = [self.base / name for name in _BESIDE_WEIGHTS]
        sums = "".join(sha256_of(file) for file in (*files, *others) if file.is_file())
        grammar = self.adapter and self.adapter.grammar
        return {
            "base": hashlib.sha256(sums.encode()).hexdigest(),
            "adapter": self.adapter and self.adapter.sha256,
            **({"grammar": hashlib.sha256(grammar.encode()).hexdigest()} if grammar else {}),
        }


@dataclass(frozen=True)
class Candidate:
    """A row of the matrix: weights, prompts, and the token limit of an answer."""

    name: str
    weights: Weights
    chats: Chats
    answer_tokens: Callable[[Task], int] = _limit_of


def specialist(name: str, weights: Weights, system_prompt: str) -> Candidate:
    """A specialist, with its own system prompt on every task."""

    def chats(task: Task) -> list[tuple[Message, ...]]:
        system = Message("system", system_prompt)
        return [(system, Message("user", question.example.prompt)) for question in task.questions]

    return Candidate(name, weights, chats)


def generalist(
    name: str,
    weights: Weights,
    style: PromptStyle,
    train: Callable[[Niche], Sequence[Example]],
    *,
    general: bool,
) -> Candidate:
    """A generalist, prompted in one style.

    Args:
        name: its display name.
        weights: its own.
        style: its style of prompt for the niches' questions.
        train: the training rows of a niche.
        general: whether it also gets the general questions, as users write them.
    """

    def chats(task: Task) -> list[tuple[Message, ...]] | None:
        questions = [of.example.prompt for of in task.questions]
        if task.niche is None:
            return [(Message("user", question),) for question in questions] if general else None
        return chats_for(style, task.niche, questions, train(task.niche))

    def limit(task: Task) -> int:
        return _limit_of(task) if task.niche is None else answer_tokens(style, task.niche)

    return Candidate(name, weights, chats, limit)


@dataclass(frozen=True)
class EvaluationConfig:
    """The settings of a matrix.

    Attributes:
        niches: the niches whose rows are the tasks, and whose specialists are compared.
        generalist: a model reference; None: the specialists alone.
        data_dir: the folder of the data sets.
        cache: the folder of model files.
        rows: the largest number of rows per task.
        adapters: references of adapters by niche; others are found by the niche's name.
        general: whether to include the general task.
        base_of_specialists: whether to compare the specialists' bases as further generalists.
    """

    niches: tuple[Niche, ...]
    generalist: str | None
    data_dir: Path
    cache: Path
    rows: int = 200
    adapters: Mapping[str, str] = field(default_factory=dict)
    general: bool = False
    base_of_specialists: bool = False


@dataclass(frozen=True)
class Plan:
    """Candidates and tasks, in display order; `notes` lists what is missing."""

    candidates: tuple[Candidate, ...]
    tasks: tuple[Task, ...]
    spec: MatrixSpec
    notes: tuple[str, ...] = ()


def make_plan(config: EvaluationConfig, adapters: Path = ADAPTERS) -> Plan:
    """The plan for specialists and generalists on the test rows.

    Args:
        config: the settings.
        adapters: the folder of adapters that `config.adapters` does not name.

    Raises:
        ModelError: a model or an adapter cannot be loaded; a missing adapter that the settings do
            not name is a note.
        DatasetError: a data set is absent or altered.
    """
    specialists, notes = _specialists(config, adapters)
    baselines, bases = _generalists(config, specialists)
    tasks = [
        task for niche in config.niches for task in niche_tasks(niche, config.rows, config.data_dir)
    ]
    if config.general:
        tasks.append(general_task(config.rows, config.data_dir))
    candidates = (*specialists.values(), *baselines, *bases)
    names = tuple(candidate.name for candidate in candidates)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ModelError(f"two models are called {twice[0]!r}; rename the path of one")
    spec = MatrixSpec(
        names,
        tuple(column for task in tasks for column in task.columns),
        {niche: of.name for niche, of in specialists.items()},
        tuple(baseline.name for baseline in baselines),
    )
    return Plan(candidates, tuple(tasks), spec, tuple(notes))


def plan_prompt_comparison(config: EvaluationConfig) -> Plan:
    """The plan for the generalist alone, with every style of prompt, on the validation rows.

    Raises:
        ModelError: the generalist cannot be loaded.
        DatasetError: a data set is absent or altered.
    """
    reference = config.generalist or ""
    weights = Weights(reference, resolve(reference, config.cache))
    train = _train_rows(config.data_dir)
    candidates = tuple(
        generalist(style.name, weights, style, train, general=False)
        for style in PROMPT_STYLES.values()
    )
    tasks = tuple(
        task
        for niche in config.niches
        for task in niche_tasks(niche, config.rows, config.data_dir, "validation")
    )
    names = tuple(candidate.name for candidate in candidates)
    columns = tuple(column for task in tasks for column in task.columns)
    return Plan(candidates, tasks, MatrixSpec(names, columns, {}, names))


def _specialists(config: EvaluationConfig, folder: Path) -> tuple[dict[str, Candidate], list[str]]:
    found, notes = {}, []
    for niche in config.niches:
        named = config.adapters.get(niche.name)
        if named is None and not (folder / niche.name).is_dir():
            notes.append(
                f"{niche.name}: no adapter in {folder}; its specialist is left out "
                f"(train it, or name one with --adapter {niche.name}=PATH)"
            )
            continue
        adapter = load_adapter(named or niche.name, folder)
        weights = Weights(adapter.base, resolve(adapter.base, config.cache), adapter)
        found[niche.name] = specialist(niche.name, weights, adapter.system_prompt)
    return found, notes


def _generalists(
    config: EvaluationConfig, specialists: Mapping[str, Candidate]
) -> tuple[list[Candidate], list[Candidate]]:
    """The generalist and, optionally, the specialists' bases, each without and with examples."""
    if config.generalist is None:
        return [], []
    references = [config.generalist]
    if config.base_of_specialists:
        references += [of.weights.reference for of in specialists.values()]
    train = _train_rows(config.data_dir)
    found: list[Candidate] = []
    for reference in dict.fromkeys(references):
        weights = Weights(reference, resolve(reference, config.cache))
        name = Path(reference).name
        found += [
            generalist(f"{name} zero-shot", weights, ZERO_SHOT, train, general=True),
            generalist(f"{name} few-shot", weights, FEW_SHOT, train, general=False),
        ]
    return found[:2], found[2:]


def _train_rows(data_dir: Path) -> Callable[[Niche], Sequence[Example]]:
    """Caches a niche's training rows, which several styles of prompt use."""
    read: dict[str, Sequence[Example]] = {}

    def rows(niche: Niche) -> Sequence[Example]:
        if niche.name not in read:
            read[niche.name] = list(niche.examples("train", data_dir))
        return read[niche.name]

    return rows
