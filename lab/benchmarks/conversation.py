"""Which part of a conversation to classify: compares strategies on labelled conversations.

The strategy in production is `router.conversation`; the others are alternatives, and variants that
add one of its rules at a time. Figures are shares of conversations routed correctly.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.benchmarks.dialogues import Dialogue
from lab.routing.follow_up import Utterance
from lab.routing.rows import LabelledRow
from lab.statistics.table import Table, escaped
from router.classifier import Encoded, RouteClassifier, TextEncoder
from router.conversation import ConversationReader, FollowUpDetector, system_text, user_turns
from router.policy import Thresholds, decide
from router.types import GENERAL, Query, Reason, Scores

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One strategy on all conversations.

    Attributes:
        strategy: its name.
        right: share routed correctly, per kind.
        encoded: encoded texts per conversation.
    """

    strategy: str
    right: Mapping[str, float]
    encoded: float

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
        rows.append(("texts encoded", "", *(f"{outcome.encoded:.2f}" for outcome in self.outcomes)))
        titles = ("conversation", "rows", *(outcome.strategy for outcome in self.outcomes))
        return Table(titles, tuple(rows))

    def markdown(self) -> str:
        """The table, for a Markdown file."""
        return self.table.markdown() + "\n"


def ablation(
    dialogues: Sequence[Dialogue],
    classifier: RouteClassifier,
    encoder: TextEncoder,
    follow_up: FollowUpDetector,
    thresholds: Thresholds | None = None,
) -> Ablation:
    """Runs every strategy on every conversation, with all specialists available.

    Args:
        dialogues: held-out conversations; at least one.
        classifier: the artifact's classifier.
        encoder: the classifier's encoder.
        follow_up: the follow-up detector.
        thresholds: the operator's thresholds; by default the artifact's.
    """
    reader = _Reader(classifier, encoder, follow_up, thresholds or Thresholds())
    queries = [dialogue.query for dialogue in dialogues]
    kinds = np.array([dialogue.kind for dialogue in dialogues])
    names = list(dict.fromkeys(kinds.tolist()))
    truth = np.array([dialogue.domain for dialogue in dialogues])
    outcomes = []
    for strategy, words in _STRATEGIES.items():
        reader.encoded = 0
        texts = words(reader, queries)
        encoded = reader.encoded / len(queries)
        right = np.array(reader.destinations(texts)) == truth
        shares = {kind: float(right[kinds == kind].mean()) for kind in names}
        outcomes.append(Outcome(strategy, shares, encoded))
    return Ablation({kind: int((kinds == kind).sum()) for kind in names}, tuple(outcomes))


class _Reader:
    """The operations available to strategies; counts the texts they encode."""

    def __init__(
        self,
        classifier: RouteClassifier,
        encoder: TextEncoder,
        follow_up: FollowUpDetector,
        thresholds: Thresholds,
    ) -> None:
        self._classifier, self._encoder = classifier, encoder
        self.follow_up = follow_up
        self._thresholds = thresholds
        self._known: dict[str, tuple[Floats, bool]] = {}
        self.encoded = 0

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Encodes texts; cached texts take no time, but count."""
        self.encoded += len(texts)
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        found = self._encoder.encode(new)
        pairs = zip(found.vectors, found.truncated.tolist(), strict=True)
        self._known |= dict(zip(new, pairs, strict=True))
        if not texts:
            return found
        vectors, truncated = zip(*(self._known[text] for text in texts), strict=True)
        return Encoded(np.array(vectors), np.array(truncated))

    def destinations(self, texts: Sequence[str]) -> list[str]:
        """The domain whose specialist gets each text, or `GENERAL`."""
        # Not `classifier.scores`: it applies the rules that are compared here.
        read = self._encoder.encode(texts)
        return [self._goes(of) for of in self.score(read.vectors, read.truncated)]

    def claimed(self, texts: Sequence[str]) -> Bools:
        """Whether a specialist would get each text."""
        return np.array([domain != GENERAL for domain in self.destinations(texts)], np.bool_)

    def score(self, vectors: Floats, truncated: Bools) -> Sequence[Scores]:
        """The classifier's scores of n vectors."""
        return self._classifier.trained.scores(vectors, truncated)

    def _goes(self, scores: Scores) -> str:
        specialists = {domain: (domain,) for domain in scores.probabilities if domain != GENERAL}
        decision = decide(scores, specialists, GENERAL, lambda _: True, self._thresholds)
        return decision.domain if decision.reason is Reason.ROUTED else GENERAL


Strategy = Callable[[_Reader, Sequence[Query]], list[str]]


def _last(reader: _Reader, queries: Sequence[Query]) -> list[str]:
    texts = [next(iter(user_turns(query)), "") for query in queries]
    reader.encode(texts)
    return texts


def _joined(reader: _Reader, queries: Sequence[Query]) -> list[str]:
    texts = ["\n".join(reversed(user_turns(query))) for query in queries]
    reader.encode(texts)
    return texts


def _joined_if_unclaimed(reader: _Reader, queries: Sequence[Query]) -> list[str]:
    texts = _last(reader, queries)
    rows = np.flatnonzero(~reader.claimed(texts))
    both = ["\n".join(reversed(user_turns(queries[row])[:2])) for row in rows.tolist()]
    reader.encode(
        [text for row, text in zip(rows.tolist(), both, strict=True) if text != texts[row]]
    )
    for row, text, claimed in zip(rows.tolist(), both, reader.claimed(both), strict=True):
        texts[row] = text if claimed else texts[row]
    return texts


def _by_rules(*rules: str) -> Strategy:
    """The production strategy with only some of its rules."""

    def strategy(reader: _Reader, queries: Sequence[Query]) -> list[str]:
        def encode(texts: Sequence[str]) -> Encoded:
            found = reader.encode(texts)
            if "ends" in rules:
                return found
            return Encoded(found.vectors, np.zeros(len(texts), np.bool_))

        follow_up = reader.follow_up
        if "leaning" not in rules:
            follow_up = FollowUpDetector(np.zeros_like(follow_up.weights), -1.0)
        score = reader.score if "topic" in rules else _all_claimed
        if "system" not in rules:
            queries = [_without_system(query) for query in queries]
        return list(ConversationReader(encode, score, follow_up).read(queries).texts)

    return strategy


def _all_claimed(vectors: Floats, _: Bools) -> list[Scores]:
    return [Scores({"": 1.0}, 0.0, 0.0)] * len(vectors)


def _without_system(query: Query) -> Query:
    kept = tuple(turn for turn in query.messages if turn.role != "system")
    return Query(kept, query.text)


def _always_below_system(reader: _Reader, queries: Sequence[Query]) -> list[str]:
    said = zip(queries, _by_rules("leaning", "topic")(reader, queries), strict=True)
    texts = [f"{system_text(query)}\n{text}".strip() for query, text in said]
    reader.encode(texts)
    return texts


def _without_code(reader: _Reader, queries: Sequence[Query]) -> list[str]:
    texts = [_FENCE.sub("", text).strip() or text for text in _SERVED(reader, queries)]
    reader.encode(texts)
    return texts


_SERVED = _by_rules("leaning", "topic", "system", "ends")

_STRATEGIES: Mapping[str, Strategy] = {
    "last message": _last,
    "all joined": _joined,
    "joined if unclaimed": _joined_if_unclaimed,
    "leaning": _by_rules("leaning"),
    "topic": _by_rules("topic"),
    "leaning, topic": _by_rules("leaning", "topic"),
    "leaning, topic, system": _by_rules("leaning", "topic", "system"),
    "all rules": _SERVED,
    "system always": _always_below_system,
    "all rules, no code": _without_code,
}


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
