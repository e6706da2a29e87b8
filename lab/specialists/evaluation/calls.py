"""Grades calls of functions: of a specialist and of its base, as the engine serves them.

Requests describe the functions as clients do, and the answers are held to their schemas. Functions
that the specialist never saw are a set of their own. Intervals resample whole functions, since what
is true of one utterance of a function tends to be true of the others.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from deployments.protocol import Message
from lab.specialists.evaluation.plan import Weights
from lab.specialists.evaluation.served import ServedGenerator
from lab.specialists.evaluation.tasks import drawn
from lab.specialists.niche import Example, FunctionSet, Niche
from lab.statistics.bootstrap import draws, group_numbers, interval
from lab.statistics.interval import Interval
from lab.statistics.quality import qualities
from lab.statistics.table import Table
from router.grading.registry import GRADERS

_ENGINE = "llama"


@dataclass(frozen=True)
class CallScore:
    """The quality of a model's calls.

    Attributes:
        rows: utterances.
        figures: by grader, the first of which is the measure.
    """

    rows: int
    figures: dict[str, Interval]

    @property
    def right(self) -> Interval:
        """By the measure."""
        return next(iter(self.figures.values()))


@dataclass(frozen=True)
class CallScores:
    """A specialist's and its base's scores on functions that it learned, and on others."""

    learned: CallScore
    learned_base: CallScore
    others: CallScore
    others_base: CallScore

    @property
    def wins_on_learned(self) -> bool:
        """Whether the specialist's interval is above its base's on what it learned."""
        return self.learned.right.low > self.learned_base.right.high

    @property
    def wins_on_others(self) -> bool:
        """Whether the specialist's interval is above its base's on functions it never saw."""
        return self.others.right.low > self.others_base.right.high

    def table(self, name: str, base: str) -> Table:
        """The figures, a row for each model and set.

        Args:
            name: of the specialist.
            base: of its base.
        """
        lines = (
            (name, "learned", self.learned),
            (base, "learned", self.learned_base),
            (name, "others", self.others),
            (base, "others", self.others_base),
        )
        return Table(
            ("model", "functions", "rows", *self.learned.figures),
            tuple(
                (model, of, f"{score.rows}", *map(_shown, score.figures.values()))
                for model, of, score in lines
            ),
        )


@dataclass(frozen=True)
class CallSettings:
    """How calls are graded.

    Attributes:
        data_dir: the folder of the data sets.
        cache: that of model files.
        rows: the largest number for each set of functions.
        threads: CPU threads; None: one.
        at_once: requests at once.
    """

    data_dir: Path
    cache: Path
    rows: int = 400
    threads: int | None = None
    at_once: int = 4


def grade_calls(niche: Niche, specialist: Weights, settings: CallSettings) -> CallScores:
    """Grades a specialist and its base.

    Args:
        niche: has functions.
        specialist: with its adapter.
        settings: how.

    Raises:
        DatasetError: a data set is absent or altered.
        ModelError: a model cannot be loaded.
    """
    assert niche.functions is not None
    sets = {
        "learned": niche.functions.examples("test", settings.data_dir),
        "others": niche.functions.unseen(settings.data_dir),
    }
    asked = {name: drawn(examples, settings.rows) for name, examples in sets.items()}
    base = Weights(specialist.reference, specialist.base)
    own = _scores(niche.functions, specialist, niche.system_prompt, asked, settings)
    others = _scores(niche.functions, base, "", asked, settings)
    return CallScores(own["learned"], others["learned"], own["others"], others["others"])


def _scores(
    functions: FunctionSet,
    weights: Weights,
    system_prompt: str,
    asked: dict[str, list[Example]],
    settings: CallSettings,
) -> dict[str, CallScore]:
    generator = ServedGenerator(
        weights, _ENGINE, settings.cache, settings.at_once, settings.threads
    )
    with closing(generator):
        return {
            name: _score(
                functions, examples, _answers(generator, functions, examples, system_prompt)
            )
            for name, examples in asked.items()
        }


def _answers(
    generator: ServedGenerator,
    functions: FunctionSet,
    examples: Sequence[Example],
    system_prompt: str,
) -> list[str]:
    chats = [_chat(example, system_prompt) for example in examples]
    tools = [example.tools for example in examples]
    found: dict[int, str] = {}
    with tqdm(total=len(chats), unit="row") as bar:
        for batch in generator.answers(chats, functions.max_answer_tokens, tools):
            found |= {place: answer.text for place, answer in batch}
            bar.update(len(batch))
    return [found[place] for place in range(len(chats))]


def _chat(example: Example, system_prompt: str) -> list[Message]:
    system = example.system or system_prompt
    user = Message("user", example.prompt)
    return [Message("system", system), user] if system else [user]


def _score(
    functions: FunctionSet, examples: Sequence[Example], answers: Sequence[str]
) -> CallScore:
    groups = group_numbers([example.group for example in examples])
    taken = draws(len(examples), "calls", groups)
    figures = {}
    for grader in functions.graders:
        rows = [
            GRADERS[grader](answer, example.reference)
            for example, answer in zip(examples, answers, strict=True)
        ]
        counts = np.array([(row.hits, row.claimed, row.wanted) for row in rows], dtype=np.int64)
        figures[grader] = interval(qualities(counts, taken))
    return CallScore(len(examples), figures)


def _shown(figure: Interval) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
