"""The router as the gateway holds it: a classifier, a table of specialists, and the policy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from router.config import RouterConfig
from router.errors import UnknownDomain
from router.guarantee import Guarantee
from router.policy import Thresholds, decide
from router.types import GENERAL, Decision, Explanation, Neighbour, Query, Reason, Scores


class Classifier(Protocol):
    """What the router asks for scores."""

    @property
    def classes_(self) -> Sequence[str]:
        """The domains it tells apart."""

    def scores(self, queries: Sequence[Query]) -> list[Scores]:
        """The scores of each query, in order."""


@runtime_checkable
class Remembers(Protocol):
    """A classifier that keeps some of its training prompts."""

    def neighbours(self, text: str, count: int) -> tuple[Neighbour, ...]:
        """The kept prompts most like a text, best first."""


class Router:
    """Chooses models for queries.

    Args:
        classifier: scores queries.
        table: the specialists of each domain, best first.
        generalist: the model for everything else.
        config: the operator's settings.
        guarantee: what the artifact can guarantee, when `config` asks for a guarantee.

    Raises:
        UnknownDomain: a domain of the table is none of the classifier's.
    """

    def __init__(
        self,
        classifier: Classifier,
        table: Mapping[str, tuple[str, ...]],
        generalist: str,
        config: RouterConfig,
        guarantee: Guarantee | None = None,
    ) -> None:
        unknown = sorted(set(table) - set(classifier.classes_))
        if unknown:
            raise UnknownDomain(
                f"specialists are declared for {', '.join(unknown)}, but the router's artifact "
                f"{config.artifact!r} knows only {', '.join(sorted(classifier.classes_))}. "
                "Train an artifact with prompts of that domain and name it in router.artifact, "
                "or correct the specialist's domain."
            )
        self._classifier = classifier
        self._table = dict(table)
        self._generalist = generalist
        self._thresholds = Thresholds(config.min_confidence, config.scope_threshold)
        self._guarantee = guarantee
        if guarantee is not None:
            self._thresholds = Thresholds(
                min_confidence=guarantee.threshold, infeasible=guarantee.threshold is None
            )

    def scores(self, queries: Sequence[Query]) -> list[Scores]:
        """What the classifier sees in each query; takes milliseconds of CPU time."""
        return self._classifier.scores(queries)

    def decide(
        self,
        scores: Scores,
        available: Callable[[str], bool],
        active: Callable[[str], bool] = lambda _: True,
    ) -> Decision:
        """Where a query with these scores goes.

        Args:
            scores: of the query.
            available: whether a model may be asked now.
            active: whether a specialist gets traffic at all; by default each does.
        """
        table = {
            domain: tuple(model for model in models if active(model))
            for domain, models in self._table.items()
        }
        return decide(scores, table, self._generalist, available, self._thresholds)

    def route(self, query: Query, available: Callable[[str], bool]) -> Decision:
        """Where a query goes: `scores`, then `decide`."""
        [scores] = self.scores([query])
        return self.decide(scores, available)

    def requested(self, model: str, domain: str) -> Decision:
        """The decision for a request that names its model: that model, and no other."""
        return Decision(domain, (model,), Reason.REQUESTED, 1.0)

    def unclassified(self) -> Decision:
        """The decision for a query that nobody scored: the generalist's."""
        return Decision(GENERAL, (self._generalist,), Reason.UNCLASSIFIED, 0.0)

    def explain(self, text: str, neighbours: int = 5) -> Explanation:
        """Why a text is routed as it is; a classifier that kept no training prompts shows none."""
        [scores] = self._classifier.scores([Query(text=text)])
        near = self._classifier
        kept = near.neighbours(text, neighbours) if isinstance(near, Remembers) else ()
        return self.explained(scores, kept)

    def explained(self, scores: Scores, neighbours: tuple[Neighbour, ...] = ()) -> Explanation:
        """Why a query with these scores is routed as it is: beside each score its threshold."""
        confident, familiar = self._thresholds.min_confidence, self._thresholds.scope
        return Explanation(
            probabilities=scores.probabilities,
            min_confidence=scores.min_confidence if confident is None else confident,
            scope=scores.scope,
            scope_threshold=scores.scope_threshold if familiar is None else familiar,
            truncated=scores.truncated,
            neighbours=neighbours,
            guarantee=None if self._guarantee is None else self._guarantee.sentence(),
        )
