"""Which part of a conversation to classify: compares strategies on labelled conversations.

The strategy in production is `router.conversation`; the others show it less, or everything as one
text. Figures are shares of conversations routed correctly.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.benchmarks.dialogues import Dialogue
from lab.routing.destinations import destinations
from lab.routing.follow_up import Utterance
from lab.routing.rows import LabelledRow
from lab.statistics.table import Table, escaped
from router.classifier import Classifier, TextEncoder
from router.conversation import FollowUpDetector, user_turns
from router.policy import Thresholds
from router.types import Query

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One strategy on all conversations.

    Attributes:
        strategy: its name.
        right: share routed correctly, per kind.
    """

    strategy: str
    right: Mapping[str, float]

    @property
    def mean(self) -> float:
        """Mean over the kinds."""
        return float(np.mean(list(self.right.values())))


@dataclass(frozen=True, slots=True)
class Ablation:
    """All strategies on the same conversations.

    Attributes:
        kinds: the number of conversations of each kind.
        outcomes: one per strategy.
    """

    kinds: Mapping[str, int]
    outcomes: tuple[Outcome, ...]

    @property
    def table(self) -> Table:
        """One row per kind and one column per strategy."""
        rows = [
            (kind, f"{count}", *(f"{outcome.right[kind]:.3f}" for outcome in self.outcomes))
            for kind, count in self.kinds.items()
        ]
        rows.append(("mean over kinds", "", *(f"{outcome.mean:.3f}" for outcome in self.outcomes)))
        titles = ("conversation", "rows", *(outcome.strategy for outcome in self.outcomes))
        return Table(titles, tuple(rows))

    def markdown(self) -> str:
        """The table, for a Markdown file."""
        return self.table.markdown() + "\n"


def ablation(
    dialogues: Sequence[Dialogue],
    classifier: Classifier,
    thresholds: Thresholds | None = None,
) -> Ablation:
    """Runs every strategy on every conversation, with all specialists available.

    Args:
        dialogues: held-out conversations; at least one.
        classifier: the artifact's classifier.
        thresholds: the operator's thresholds; by default the artifact's.
    """
    kinds = np.array([dialogue.kind for dialogue in dialogues])
    names = list(dict.fromkeys(kinds.tolist()))
    truth = np.array([dialogue.domain for dialogue in dialogues])
    outcomes = []
    for strategy, seen in _STRATEGIES.items():
        queries = [seen(dialogue.query) for dialogue in dialogues]
        right = destinations(classifier, queries, thresholds) == truth
        outcomes.append(
            Outcome(strategy, {kind: float(right[kinds == kind].mean()) for kind in names})
        )
    return Ablation({kind: int((kinds == kind).sum()) for kind in names}, tuple(outcomes))


def _last(query: Query) -> Query:
    return Query(text=next(iter(user_turns(query)), ""))


def _joined(query: Query) -> Query:
    return Query(text="\n".join(reversed(user_turns(query))))


def _without_system(query: Query) -> Query:
    kept = tuple(turn for turn in query.messages if turn.role != "system")
    return Query(kept, query.text)


_STRATEGIES: Mapping[str, Callable[[Query], Query]] = {
    "last message": _last,
    "all joined": _joined,
    "without the system prompt": _without_system,
    "as served": lambda query: query,
}
"""What the classifier sees of a conversation."""


_SHOWN_MISTAKES = 12


@dataclass(frozen=True, slots=True)
class FollowUpFigures:
    """How well follow-ups are separated from standalone utterances.

    Attributes:
        utterances: their number.
        accuracy: share of them that is classified right.
        precision: share of detected follow-ups that are correct.
        recall: share of the follow-ups that is found.
        prompts: the number of prompts, all standalone.
        false_alarms: share of them that is detected as a follow-up.
        mistakes: some misclassified utterances.
    """

    utterances: int
    accuracy: float
    precision: float
    recall: float
    prompts: int
    false_alarms: float
    mistakes: tuple[str, ...]

    @property
    def table(self) -> Table:
        """The figures."""
        figures = ("accuracy", "precision", "recall", "false_alarms")
        counts = (*[self.utterances] * 3, self.prompts)
        return Table(
            ("figure", "of", "value"),
            tuple(
                (name.replace("_", " "), f"{count}", f"{getattr(self, name):.4f}")
                for name, count in zip(figures, counts, strict=True)
            ),
        )

    def markdown(self) -> str:
        """The figures as a table, and the mistakes as a list."""
        mistakes = (f"- {escaped(text)}" for text in self.mistakes)
        return "\n".join([self.table.markdown(), "", *mistakes]) + "\n"


def follow_up_figures(
    utterances: Sequence[Utterance],
    prompts: Sequence[LabelledRow],
    encoder: TextEncoder,
    follow_up: FollowUpDetector,
) -> FollowUpFigures:
    """Measures on held-out utterances of both kinds, and on held-out prompts."""
    truth = np.array([utterance.is_follow_up for utterance in utterances])
    found = follow_up.is_follow_up(encoder.encode([of.text for of in utterances]).vectors)
    alarms = follow_up.is_follow_up(encoder.encode([row.text.strip() for row in prompts]).vectors)
    wrong = [of.text for of, right in zip(utterances, found == truth, strict=True) if not right]
    return FollowUpFigures(
        utterances=len(utterances),
        accuracy=float((found == truth).mean()),
        precision=float(truth[found].mean()) if found.any() else 0.0,
        recall=float(found[truth].mean()) if truth.any() else 0.0,
        prompts=len(prompts),
        false_alarms=float(alarms.mean()),
        mistakes=tuple(wrong[:_SHOWN_MISTAKES]),
    )
