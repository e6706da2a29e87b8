"""The baseline without an encoder, TF-IDF and a linear head; with vectors beside, if wanted."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import hstack
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from lab.benchmarks.fine_tuned import Labelled
from lab.routing.metrics import log_loss

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_STRENGTHS = (10.0, 100.0)


class Words:
    """A classifier on words, pairs of words, and two to five characters.

    Args:
        train: rows to fit on.
        validation: rows that choose the C of the regression.
        vectors: gives vectors of length 1 that stand beside the words, if any shall.
        strengths: values of C.
    """

    def __init__(
        self,
        train: Labelled,
        validation: Labelled,
        vectors: Callable[[Sequence[str]], Floats] | None = None,
        strengths: Sequence[float] = _STRENGTHS,
    ) -> None:
        self._vectors = vectors
        self._counts: Any = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2),
        )
        self._counts.fit(train.texts)
        features = self._features(train.texts)
        losses = {}
        with threadpool_limits(1):
            for strength in strengths:
                # The last digits of the optimum cost most of the time and change no figure.
                model = LogisticRegression(C=strength, max_iter=300, tol=1e-3)
                self._model = model.fit(features, train.truth)
                losses[log_loss(self.probabilities(validation.texts), validation.truth)] = model
        self._model = losses[min(losses)]

    def logits(self, texts: Sequence[str]) -> Doubles:
        """Logits of n texts, shape (n, classes), for three classes or more."""
        return np.asarray(self._model.decision_function(self._features(texts)))

    def probabilities(self, texts: Sequence[str]) -> Doubles:
        """Probability of each class, shape (n, classes)."""
        return np.asarray(softmax(self.logits(texts), axis=1))

    def _features(self, texts: Sequence[str]) -> Any:
        counted = self._counts.transform(texts)
        return counted if self._vectors is None else hstack([counted, self._vectors(texts)]).tocsr()
