"""Trains the scorer that finds the request in a long text."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from router.request_text import BUCKETS, SegmentScorer, buckets, segments

_INVERSE_REGULARISATION = 0.1


def fit_scorer(requests: Sequence[str], fillers: Sequence[str]) -> SegmentScorer:
    """Fits a logistic regression over words.

    Args:
        requests: prompts; each of their segments is an example.
        fillers: texts without a request.
    """
    parts = [(part.text, 1) for text in requests for part in segments(text)]
    parts += [(part.text, 0) for text in fillers for part in segments(text)]
    truth = np.array([label for _, label in parts])
    rows, columns = [], []
    for row, (part, _) in enumerate(parts):
        found = set(buckets(part))
        rows += [row] * len(found)
        columns += sorted(found)
    words = csr_matrix(
        (np.ones(len(rows), np.float32), (rows, columns)), shape=(len(parts), BUCKETS)
    )
    regression = LogisticRegression(
        C=_INVERSE_REGULARISATION, class_weight="balanced", max_iter=500
    ).fit(words, truth)
    return SegmentScorer(regression.coef_[0].astype(np.float32))
