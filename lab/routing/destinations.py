"""Where the policy sends queries, with all specialists available."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from router.classifier import Classifier
from router.policy import Thresholds, decide
from router.types import GENERAL, Query, Reason, Scores

_BATCH = 256


def destinations(
    classifier: Classifier, queries: Sequence[Query], thresholds: Thresholds | None = None
) -> NDArray[np.str_]:
    """The domain whose specialist gets each query, or `general`; shape (n,).

    Args:
        classifier: scores the queries.
        queries: n queries.
        thresholds: the operator's; by default the artifact's.
    """
    return sent(scored(classifier, queries), classifier.classes_, thresholds or Thresholds())


def scored(classifier: Classifier, queries: Sequence[Query]) -> list[Scores]:
    """The scores of many queries, a batch at a time."""
    batches = (queries[start : start + _BATCH] for start in range(0, len(queries), _BATCH))
    return [scores for batch in batches for scores in classifier.scores(batch)]


def sent(
    scores: Sequence[Scores], domains: Iterable[str], thresholds: Thresholds
) -> NDArray[np.str_]:
    """The domain whose specialist gets each query with these scores, or `general`; shape (n,)."""
    table = {domain: (domain,) for domain in domains if domain != GENERAL}
    decisions = (decide(s, table, GENERAL, lambda _: True, thresholds) for s in scores)
    return np.array([d.domain if d.reason is Reason.ROUTED else GENERAL for d in decisions])
