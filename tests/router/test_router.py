"""The router: construction, routing, requested models, explanations."""

import pytest

from router.artifact import load_artifact
from router.config import RouterConfig
from router.errors import UnknownDomain
from router.guarantee import Guarantee
from router.router import Router
from router.types import Query, Reason, Scores
from tests.router.fakes import FixedClassifier, HashingEncoder

SCORES = Scores({"general": 0.2, "sql": 0.8}, scope=1.0, scope_threshold=0.0, min_confidence=0.5)
TABLE = {"sql": ("sql-a",)}


def router(config=None):
    return Router(FixedClassifier(SCORES), TABLE, "boss", config or RouterConfig())


def test_a_query_is_scored_and_decided():
    """The decision follows from the classifier's scores and keeps them."""
    decision = router().route(Query(text="x"), lambda model: True)
    assert (decision.candidates, decision.reason) == (("sql-a", "boss"), Reason.ROUTED)
    assert decision.scores is SCORES


def test_a_specialist_that_is_not_active_gets_nothing():
    """The table of specialists is that of the active ones, and the decision says so."""
    decision = router().decide(SCORES, lambda model: True, active=lambda model: False)
    assert (decision.candidates, decision.reason) == (("boss",), Reason.UNPROVEN)


def test_the_configuration_sets_the_thresholds():
    """The operator's confidence replaces the artifact's."""
    decision = router(RouterConfig(min_confidence=0.9)).route(Query(text="x"), lambda model: True)
    assert decision.reason is Reason.LOW_CONFIDENCE


def test_a_guarantee_sets_the_confidence():
    """The guarantee's threshold replaces the artifact's."""
    promise = Guarantee(0.05, 0.05, "misroute", 0.81, 90, 100, 0.0, 0.04)
    found = Router(FixedClassifier(SCORES), TABLE, "boss", RouterConfig(), promise)
    assert found.route(Query(text="x"), lambda model: True).reason is Reason.LOW_CONFIDENCE
    assert found.explain("x").min_confidence == 0.81
    assert found.explain("x").guarantee == promise.sentence()


def test_without_a_threshold_that_gives_the_guarantee_nothing_is_routed():
    """An infeasible guarantee is kept by routing nothing, and the explanation says so."""
    nothing = Guarantee(0.05, 0.05, "misroute", None, 0, 9, None, 1.0, "too few rows")
    found = Router(FixedClassifier(SCORES), TABLE, "boss", RouterConfig(), nothing)
    assert found.route(Query(text="x"), lambda model: True).reason is Reason.NO_GUARANTEE
    assert found.explain("x").guarantee == "infeasible: too few rows"


def test_a_requested_model_is_the_only_candidate():
    """Who names a model gets that one or an error."""
    decision = router().requested("sql-a", "sql")
    assert (decision.candidates, decision.reason) == (("sql-a",), Reason.REQUESTED)
    assert (decision.domain, decision.confidence) == ("sql", 1.0)


def test_a_domain_that_the_classifier_does_not_know_is_refused():
    """The error names the unknown domain, the known ones and the remedy."""
    with pytest.raises(UnknownDomain, match="law") as raised:
        Router(FixedClassifier(SCORES), {"law": ("lawyer",)}, "boss", RouterConfig())
    assert "general, sql" in str(raised.value)
    assert "Train an artifact" in str(raised.value)


def test_an_explanation_shows_the_thresholds_in_force():
    """The operator's thresholds are shown where they replace the artifact's."""
    found = router(RouterConfig(scope_threshold=2.0)).explain("x")
    assert (found.scope_threshold, found.min_confidence) == (2.0, 0.5)
    assert (found.probabilities, found.scope) == (SCORES.probabilities, 1.0)


def test_an_explanation_has_neighbours_where_the_classifier_kept_prompts(trained):
    """A trained classifier shows as many of its prompts as asked for."""
    classifier = load_artifact(trained[0], HashingEncoder())
    found = Router(classifier, TABLE, "boss", RouterConfig()).explain("select rows", neighbours=2)
    assert len(found.neighbours) == 2


def test_a_classifier_without_memory_explains_without_neighbours():
    """Scores alone are explanation enough."""
    assert router().explain("x").neighbours == ()
