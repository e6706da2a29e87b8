"""Where the policy sends queries, with all specialists available."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from router.classifier import Classifier
from router.policy import Thresholds, decide
from router.types import GENERAL, Query, Reason

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
    table = {domain: (domain,) for domain in classifier.classes_ if domain != GENERAL}
    went = []
    for start in range(0, len(queries), _BATCH):
        for scores in classifier.scores(queries[start : start + _BATCH]):
            decision = decide(scores, table, GENERAL, lambda _: True, thresholds or Thresholds())
            went.append(decision.domain if decision.reason is Reason.ROUTED else GENERAL)
    return np.array(went)
