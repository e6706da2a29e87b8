"""The baseline without an encoder: TF-IDF of words and characters, and a linear head."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from router.benchmarks.fine_tuned import Labelled
from router.evaluation.calibration import log_loss

__all__ = ["Words"]

Doubles = NDArray[np.float64]

_STRENGTHS = (10.0, 100.0)


class Words:
    """A classifier on words, pairs of words, and two to five characters.

    Args:
        train: rows to fit on.
        validation: rows that choose the C of the regression.
    """

    def __init__(self, train: Labelled, validation: Labelled) -> None:
        self._counts: Any = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2),
        )
        counted = self._counts.fit_transform(train.texts)
        losses = {}
        with threadpool_limits(1):
            for strength in _STRENGTHS:
                # The last digits of the optimum cost most of the time and change no figure.
                model = LogisticRegression(C=strength, max_iter=300, tol=1e-3)
                self._model = model.fit(counted, train.truth)
                losses[log_loss(self.probabilities(validation.texts), validation.truth)] = model
        self._model = losses[min(losses)]

    def logits(self, texts: Sequence[str]) -> Doubles:
        """Logits of n texts, shape (n, classes), for three classes or more."""
        return np.asarray(self._model.decision_function(self._counts.transform(texts)))

    def probabilities(self, texts: Sequence[str]) -> Doubles:
        """Probability of each class, shape (n, classes)."""
        return np.asarray(softmax(self.logits(texts), axis=1))
