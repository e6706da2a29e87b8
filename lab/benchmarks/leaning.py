"""How well leaning words are told from words that stand alone, on held-out rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.routing.follow_up import Utterance
from lab.routing.rows import LabelledRow
from lab.routing.tables import Table, escaped
from router.classifier import TextEncoder
from router.conversation import FollowUpDetector

_SHOWN_MISTAKES = 12


@dataclass(frozen=True, slots=True)
class Leaning:
    """How well leaning words are told from others.

    Attributes:
        utterances: how many were tried.
        accuracy: share of them that is told right.
        precision: share of those called leaning that do lean.
        recall: share of those that lean that is found.
        prompts: how many prompts, which all stand alone, were tried.
        false_alarms: share of them that is called leaning.
        mistakes: some utterances that are told wrong.
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


def leaning(
    utterances: Sequence[Utterance],
    prompts: Sequence[LabelledRow],
    encoder: TextEncoder,
    follow_up: FollowUpDetector,
) -> Leaning:
    """Measures on held-out utterances of both kinds, and on held-out prompts."""
    truth = np.array([utterance.is_follow_up for utterance in utterances])
    found = follow_up.is_follow_up(encoder.encode([of.text for of in utterances]).vectors)
    alarms = follow_up.is_follow_up(encoder.encode([row.text.strip() for row in prompts]).vectors)
    wrong = [of.text for of, right in zip(utterances, found == truth, strict=True) if not right]
    return Leaning(
        utterances=len(utterances),
        accuracy=float((found == truth).mean()),
        precision=float(truth[found].mean()) if found.any() else 0.0,
        recall=float(found[truth].mean()) if truth.any() else 0.0,
        prompts=len(prompts),
        false_alarms=float(alarms.mean()),
        mistakes=tuple(wrong[:_SHOWN_MISTAKES]),
    )
