"""The values that training produces: the content of an artifact."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from router.config import GuaranteeConfig
from router.conversation import Reading
from router.errors import GuaranteeError
from router.form_head import FormHead
from router.guarantee import Guarantee, guarantee
from router.head import Head
from router.ood import OodDetector
from router.types import GENERAL, Neighbour, Scores

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Exemplars:
    """Training prompts that explain decisions: the most typical ones of each sub-cluster.

    Attributes:
        texts: m prompts.
        domains: the domain of each.
        vectors: their vectors, shape (m, dimensions).
    """

    texts: tuple[str, ...]
    domains: tuple[str, ...]
    vectors: Floats

    def __post_init__(self) -> None:
        if not len(self.texts) == len(self.domains) == len(self.vectors):
            raise ValueError(
                f"{len(self.texts)} texts, {len(self.domains)} domains, {len(self.vectors)} vectors"
            )

    def nearest(self, vector: Floats, count: int) -> tuple[Neighbour, ...]:
        """The prompts most like a text, best first.

        Args:
            vector: the text's, shape (dimensions,).
            count: how many prompts, at most.
        """
        similarity = self.vectors @ vector
        order = np.argsort(-similarity, kind="stable")[: max(0, count)]
        return tuple(
            Neighbour(self.texts[index], self.domains[index], float(similarity[index]))
            for index in order
        )


@dataclass(frozen=True, slots=True)
class VerificationPrompt:
    """A text as it is encoded, and the domain whose specialist got it in training, or `general`."""

    text: str
    domain: str


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Held-out rows for guarantees, unseen by training and by the choice of settings.

    Attributes:
        confidence: of the specialist that would get each row; -inf if none would, shape (n,).
        misroute: whether that specialist is the wrong one, shape (n,).
        excess_loss: the generalist's score less the specialist's, in [-1, 1]; NaN without a paired
            outcome, shape (n,).
        grid: thresholds to test, from the strictest; made without these rows.
    """

    confidence: Doubles
    misroute: NDArray[np.bool_]
    excess_loss: Doubles
    grid: Doubles

    def __post_init__(self) -> None:
        if not self.confidence.shape == self.misroute.shape == self.excess_loss.shape:
            raise ValueError(
                f"{len(self.confidence)} confidences, {len(self.misroute)} misroutes, "
                f"{len(self.excess_loss)} excess losses"
            )

    def threshold(self, max_misrouted: float) -> float:
        """The lowest confidence from which at most this share of the routed rows is misrouted; the
        strictest threshold of the grid if there is none."""
        for threshold in self.grid[::-1].tolist():
            above = self.confidence >= threshold
            if self.misroute[above].sum() <= max_misrouted * above.sum():
                return float(threshold)
        return float(self.grid[0])

    def guarantee(self, settings: GuaranteeConfig) -> Guarantee:
        """The guarantee that these rows support; an infeasible one has no threshold.

        Raises:
            GuaranteeError: there are no rows for this risk.
        """
        usable = np.ones(len(self.confidence), np.bool_)
        # Outcomes exist only for a row's right specialist: a misroute counts as the largest loss.
        excess = np.where(self.misroute & np.isfinite(self.confidence), 1.0, self.excess_loss)
        if settings.risk == "excess_loss":
            usable = np.isfinite(excess)
        if not usable.any() or (
            settings.risk == "excess_loss" and not np.isfinite(self.excess_loss).any()
        ):
            raise GuaranteeError(
                f"the artifact has no calibration rows for the risk {settings.risk!r}; train it "
                + (
                    "with rows that hold specialist_score and generalist_score"
                    if settings.risk == "excess_loss"
                    else "with more rows"
                )
            )
        loss = excess if settings.risk == "excess_loss" else self.misroute.astype(float)
        return guarantee(
            self.confidence[usable],
            loss[usable],
            self.grid,
            settings.alpha,
            settings.delta,
            settings.risk,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained router without its encoder.

    Attributes:
        head: domains and their weights.
        ood: detects queries that are unlike the training prompts.
        min_confidence: probability below which the generalist answers.
        reading: how requests are read: follow-ups, system prompts, long texts.
        exemplars: training prompts that explain decisions.
        calibration: the rows for guarantees.
        verification: prompts that verify the encoder on another machine.
        forms: tells the forms of requests apart, for explanations; None in an artifact whose
            encoder was not tuned, and in old ones.

    Raises:
        ValueError: the parts do not have the same dimensions.
    """

    head: Head
    ood: OodDetector
    min_confidence: float
    reading: Reading
    exemplars: Exemplars
    calibration: Calibration
    verification: tuple[VerificationPrompt, ...] = ()
    forms: FormHead | None = None

    def __post_init__(self) -> None:
        width = self.head.weights.shape[1]
        for name, vectors in (
            ("exemplars", self.exemplars.vectors),
            ("prototypes", self.ood.prototypes),
            ("follow_up weights", self.reading.follow_up.weights[np.newaxis]),
            ("form weights", self.head.weights if self.forms is None else self.forms.weights),
        ):
            if vectors.shape[1:] != (width,):
                raise ValueError(
                    f"{name} of shape {vectors.shape} do not fit "
                    f"weights of shape {self.head.weights.shape}"
                )

    def scores(self, vectors: Floats, truncated: NDArray[np.bool_]) -> list[Scores]:
        """The scores of n vectors."""
        logits = self.head.logits(vectors)
        rows = zip(
            self.head.probabilities(logits).tolist(),
            self.ood.scores(self.head.negative_energy(logits), vectors).tolist(),
            truncated.tolist(),
            strict=True,
        )
        return [
            Scores(
                probabilities=dict(zip(self.head.classes, row, strict=True)),
                ood_score=ood_score,
                max_ood_score=self.ood.max_score,
                truncated=cut,
                min_confidence=self.min_confidence,
            )
            for row, ood_score, cut in rows
        ]

    def empty_query_scores(self) -> Scores:
        """The scores of a query without text: `general`, and in distribution."""
        return Scores(
            probabilities=dict.fromkeys(self.head.classes, 0.0) | {GENERAL: 1.0},
            ood_score=self.ood.max_score,
            max_ood_score=self.ood.max_score,
            min_confidence=self.min_confidence,
        )
