"""Fitting on vectors: the head over sub-clusters, the niches' prototypes, the exemplars, the forms.

Inside each domain k-means finds sub-clusters; one logistic regression classifies all of them. The
same vectors, labels and seed give the same weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from router.form_head import FormHead
from router.head import Head
from router.types import GENERAL

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

_FEWEST = 200
"""Rows of a class that a sample keeps, where it has as many: enough for any number of clusters."""
_CLUSTERED = 3000
"""Rows of a domain that k-means sees: more do not move the centres."""
_FORMED = 12_000
"""Rows that the form head sees: it explains and decides nothing, so roughly right is enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Rows of one split: `vectors` of shape (n, dimensions), `truth` indexes the classes, (n,)."""

    vectors: Floats
    truth: Indices

    def sample(self, most: int, seed: int) -> "Part":
        """About this number of the rows, drawn at random: the same share of each class, but of a
        small class at least `_FEWEST` rows, or all."""
        drawn = np.random.default_rng(seed).permutation(len(self.truth))
        share = min(1.0, most / max(len(drawn), 1))
        parts = [drawn[self.truth[drawn] == label] for label in np.unique(self.truth)]
        kept = [own[: max(round(share * len(own)), _FEWEST)] for own in parts]
        chosen = np.sort(np.concatenate(kept))
        return Part(self.vectors[chosen], self.truth[chosen])

    def and_(self, other: "Part") -> "Part":
        """These rows, then others."""
        return Part(
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.truth, other.truth]),
        )


def fit_head(
    classes: tuple[str, ...],
    rows: Part,
    sub_clusters: int,
    inverse_regularisation: float,
    seed: int,
    tolerance: float = 1e-4,
) -> Head:
    """Fits a head with `sub_clusters` per domain; each domain needs at least as many rows.

    Args:
        classes: the domains.
        rows: of training.
        sub_clusters: per domain.
        inverse_regularisation: scikit-learn's C of the logistic regression.
        seed: of k-means.
        tolerance: of the regression's gradient.
    """
    labels = np.zeros(len(rows.truth), np.int64)
    # One thread: another order of summation would change the artifact.
    with threadpool_limits(1):
        for index in range(len(classes)):
            own = np.flatnonzero(rows.truth == index)
            drawn = own[np.sort(np.random.default_rng(seed).permutation(len(own))[:_CLUSTERED])]
            clusters = KMeans(sub_clusters, n_init=3, random_state=seed).fit(rows.vectors[drawn])
            labels[own] = index * sub_clusters + clusters.predict(rows.vectors[own])
        # To convergence: stopping early costs several points of accuracy with many domains.
        regression = LogisticRegression(C=inverse_regularisation, max_iter=2000, tol=tolerance)
        regression.fit(rows.vectors, labels)
    weights, bias = _layer(regression)
    return Head(
        classes=classes,
        weights=weights,
        bias=bias,
        # k-means leaves clusters empty where a domain has fewer distinct vectors than that.
        domains=regression.classes_ // sub_clusters,
    )


def fit_forms(vectors: Floats, names: Sequence[str]) -> FormHead:
    """Fits a form head.

    Args:
        vectors: of n texts, shape (n, dimensions).
        names: the form of each; at least two forms.
    """
    drawn = np.random.default_rng(0).permutation(len(names))[:_FORMED]
    with threadpool_limits(1):
        regression = LogisticRegression(C=30.0, max_iter=300, tol=1e-2)
        regression.fit(vectors[drawn], np.array(names)[drawn])
    return FormHead(tuple(map(str, regression.classes_)), *_layer(regression))


def _layer(regression: LogisticRegression) -> tuple[Floats, Floats]:
    """Weights and biases, a row per class."""
    weights, bias = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:
        # scikit-learn keeps one row for two classes: the second's logit, with the first's at 0.
        weights, bias = np.vstack([-weights, weights]) / 2, np.array([-bias[0], bias[0]]) / 2
    return weights.astype(np.float32), bias.astype(np.float32)


def fit_prototypes(
    classes: Sequence[str], rows: Part, per_niche: int, most: int, seed: int
) -> Floats:
    """Centres of each niche's vectors, shape (m, dimensions): at most one per four rows.

    Args:
        classes: the domains.
        rows: of training.
        per_niche: centres per niche.
        most: the largest total, shared by all niches.
        seed: of k-means.
    """
    niches = [index for index, domain in enumerate(classes) if domain != GENERAL]
    found = []
    with threadpool_limits(1):
        for index in niches:
            own = rows.vectors[rows.truth == index]
            count = max(1, min(per_niche, most // len(niches), len(own) // 4))
            found.append(KMeans(count, n_init=1, random_state=seed).fit(own).cluster_centers_)
    return np.concatenate(found).astype(np.float32)


def pick_exemplars(head: Head, vectors: Floats, count: int) -> list[int]:
    """Indices of rows from all sub-clusters in turn, the most typical of each first."""
    claimed = head.logits(vectors)
    owner = claimed.argmax(axis=1)
    each = max(1, count // len(head.bias))
    kept: list[int] = []
    for cluster in range(len(head.bias)):
        members = np.flatnonzero(owner == cluster)
        ordered = members[np.argsort(-claimed[members, cluster], kind="stable")]
        spread = np.linspace(0, len(ordered) - 1, min(each, len(ordered))).astype(int)
        kept.extend(ordered[spread].tolist())
    return kept
