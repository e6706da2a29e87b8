"""`decide`: who gets a request, and why."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config import RouterConfig
from router.guarantee import Guarantee
from router.policy import Access, Policy, Thresholds, decide, everyone
from router.types import GENERAL, Decision, Neighbour, Rationale, Reason, Scores

TABLE = {"sql": ("sql-a", "sql-b"), "tools": ("tools-a",)}
MODELS = {"sql-a", "sql-b", "tools-a", "boss"}

fractions = st.floats(0, 1)
anything = st.floats(allow_nan=True, allow_infinity=True)
thresholds = st.builds(
    Thresholds, st.none() | fractions, st.none() | st.floats(-100, 100, allow_nan=False)
)
all_scores = st.builds(
    Scores,
    probabilities=st.dictionaries(st.sampled_from([GENERAL, "sql", "tools", "law"]), anything),
    ood_score=anything,
    max_ood_score=anything,
    min_confidence=anything,
)
alive = st.frozensets(st.sampled_from(sorted(MODELS)))


def scores(domain="sql", confidence=0.9, ood_score=-1.0):
    rest = GENERAL if domain != GENERAL else "sql"
    return Scores({domain: confidence, rest: 1 - confidence}, ood_score, 0.0, min_confidence=0.6)


def test_sure_query_in_distribution_goes_to_the_specialists_then_the_generalist():
    """A confident query in distribution is routed, with every specialist before the generalist."""
    decision = decide(scores(), TABLE, "boss", everyone, Thresholds())
    assert decision.reason is Reason.ROUTED
    assert decision.candidates == ("sql-a", "sql-b", "boss")
    assert (decision.domain, decision.confidence) == ("sql", 0.9)


def test_general_query_goes_to_the_generalist():
    """A query that the classifier calls general gets the generalist alone."""
    decision = decide(scores(GENERAL), TABLE, "boss", everyone, Thresholds())
    assert (decision.reason, decision.candidates) == (Reason.GENERAL, ("boss",))


def test_an_infeasible_guarantee_routes_nothing():
    """When no threshold gives what was asked for, a specialist's query goes to the generalist."""
    decision = decide(scores(), TABLE, "boss", everyone, Thresholds(infeasible=True))
    assert (decision.reason, decision.candidates) == (Reason.GUARANTEE_INFEASIBLE, ("boss",))


def test_domain_without_specialists_is_general():
    """A domain that nobody serves is general, however sure the classifier is."""
    decision = decide(scores("law"), TABLE, "boss", everyone, Thresholds())
    assert (decision.reason, decision.candidates) == (Reason.GENERAL, ("boss",))


def test_domain_without_active_specialists_goes_to_the_generalist():
    """A query of a domain whose specialists may get no traffic says so."""
    decision = decide(scores(), {"sql": ()}, "boss", everyone, Thresholds())
    assert (decision.reason, decision.candidates) == (Reason.NO_ACTIVE_SPECIALIST, ("boss",))


def test_doubts_come_before_inactive_specialists():
    """A query that would not have been routed anyway does not blame the specialists."""
    decision = decide(scores(confidence=0.59), {"sql": ()}, "boss", everyone, Thresholds())
    assert decision.reason is Reason.LOW_CONFIDENCE


def test_unsure_query_is_low_confidence():
    """Below the artifact's confidence the generalist answers."""
    decision = decide(scores(confidence=0.59), TABLE, "boss", everyone, Thresholds())
    assert (decision.reason, decision.candidates) == (Reason.LOW_CONFIDENCE, ("boss",))


def test_query_unlike_the_training_prompts_is_out_of_distribution():
    """Above the artifact's OOD score the generalist answers."""
    decision = decide(scores(ood_score=0.1), TABLE, "boss", everyone, Thresholds())
    assert (decision.reason, decision.candidates) == (Reason.OUT_OF_DISTRIBUTION, ("boss",))


def test_operator_thresholds_replace_the_artifacts():
    """A threshold of the operator's counts instead of the artifact's."""
    doubtful = scores(confidence=0.55, ood_score=0.1)
    decision = decide(doubtful, TABLE, "boss", everyone, Thresholds(0.5, 1.0))
    assert decision.reason is Reason.ROUTED


def test_unavailable_specialist_is_left_out():
    """A specialist that may not be asked is skipped; the others keep their order."""
    decision = decide(scores(), TABLE, "boss", lambda model: model != "sql-a", Thresholds())
    assert (decision.reason, decision.candidates) == (Reason.ROUTED, ("sql-b", "boss"))


def test_no_available_specialist_is_unhealthy():
    """Without any available specialist the generalist is asked, even when it looks dead too."""
    decision = decide(scores(), TABLE, "boss", lambda model: False, Thresholds())
    assert (decision.reason, decision.candidates) == (Reason.UNHEALTHY, ("boss",))


def test_scores_that_are_not_numbers_are_a_doubt():
    """A confidence or an OOD score that is not a number never reaches a specialist."""
    for bad in (scores(ood_score=math.nan), Scores({"sql": math.nan}, -1.0, 0.0)):
        decision = decide(bad, TABLE, "boss", everyone, Thresholds())
        assert decision.candidates == ("boss",)


def test_specialists_that_are_not_able_are_passed_over():
    """The next specialist of the domain answers; if none is able, the generalist, which says so."""
    one = decide(scores(), TABLE, "boss", everyone, Thresholds(), lambda model: model != "sql-a")
    none = decide(scores(), TABLE, "boss", everyone, Thresholds(), lambda model: model == "boss")

    assert (one.reason, one.candidates) == (Reason.ROUTED, ("sql-b", "boss"))
    assert (none.reason, none.candidates) == (Reason.LACKS_CAPABILITY, ("boss",))


def test_a_generalist_that_is_not_able_is_no_fallback():
    """A routed request has its specialists alone."""
    decision = decide(scores(), TABLE, "boss", everyone, Thresholds(), lambda name: name != "boss")
    assert (decision.reason, decision.candidates) == (Reason.ROUTED, ("sql-a", "sql-b"))


def test_whoever_is_able_takes_the_generalists_place():
    """Also of another domain; those that are unhealthy only if there is nobody else."""

    def able(model):
        return model in {"sql-b", "tools-a"}

    well = decide(scores(GENERAL), TABLE, "boss", lambda m: m == "tools-a", Thresholds(), able)
    ill = decide(scores(GENERAL), TABLE, "boss", lambda m: False, Thresholds(), able)

    assert (well.reason, well.candidates) == (Reason.LACKS_CAPABILITY, ("tools-a",))
    assert ill.candidates == ("sql-b", "tools-a")


def test_if_nobody_is_able_there_is_no_candidate():
    """The decision is empty, and its owner says what is missing."""
    found = Policy(TABLE, "boss", RouterConfig())
    nobody = Access(able=lambda _: False)

    assert found.decide(scores(), nobody).candidates == ()
    assert found.unclassified(nobody).candidates == ()


@given(all_scores, alive, alive, thresholds)
def test_no_decision_names_a_model_that_is_not_able(found, living, able, config):
    """Whatever the scores; if some model is able, one is named."""
    decision = decide(found, TABLE, "boss", living.__contains__, config, able.__contains__)
    assert set(decision.candidates) <= able
    assert bool(decision.candidates) == bool(able)


@given(all_scores, alive, thresholds)
def test_every_decision_names_known_models_and_ends_with_the_generalist(found, living, config):
    """Whatever the scores, the candidates are known and distinct, and the generalist comes last."""
    decision = decide(found, TABLE, "boss", living.__contains__, config)
    assert decision.candidates[-1] == "boss"
    assert set(decision.candidates) <= MODELS
    assert len(set(decision.candidates)) == len(decision.candidates)
    assert set(decision.candidates[:-1]) <= living
    assert (decision.reason is Reason.ROUTED) == (len(decision.candidates) > 1)


@given(all_scores, alive, fractions, fractions, st.floats(-9, 9), st.floats(0, 9))
def test_loosening_a_threshold_never_adds_a_fallback(found, living, low, gap, ood_score, rise):
    """What is routed under strict thresholds is routed the same way under looser ones."""
    strict = decide(found, TABLE, "boss", living.__contains__, Thresholds(low, ood_score))
    looser = Thresholds(low * gap, ood_score + rise)
    loose = decide(found, TABLE, "boss", living.__contains__, looser)
    if strict.reason is Reason.ROUTED:
        assert loose == strict


@given(all_scores, alive, thresholds)
def test_a_decision_depends_on_its_arguments_alone(found, living, config):
    """The same arguments give the same candidates and reason."""
    first = decide(found, TABLE, "boss", living.__contains__, config)
    again = decide(found, TABLE, "boss", living.__contains__, config)
    assert (first.candidates, first.reason) == (again.candidates, again.reason)


def policy(guarantee=None, **settings):
    return Policy({"sql": ("sql-a",)}, "boss", RouterConfig(**settings), guarantee)


def test_a_policy_decides_by_its_table_and_keeps_the_scores():
    """The decision follows from the scores, the specialists and the generalist."""
    given_scores = scores()
    decision = policy().decide(given_scores)
    assert (decision.candidates, decision.reason) == (("sql-a", "boss"), Reason.ROUTED)
    assert decision.scores is given_scores


def test_a_specialist_that_is_not_active_gets_nothing():
    """The table of specialists is that of the active ones, and the decision says so."""
    decision = policy().decide(scores(), Access(active=lambda model: False))
    assert (decision.candidates, decision.reason) == (("boss",), Reason.NO_ACTIVE_SPECIALIST)


def test_the_configuration_sets_the_thresholds():
    """The operator's confidence replaces the artifact's."""
    decision = policy(min_confidence=0.95).decide(scores())
    assert decision.reason is Reason.LOW_CONFIDENCE


def test_a_guarantee_sets_the_confidence():
    """The guarantee's threshold replaces the artifact's."""
    promise = Guarantee(0.05, 0.05, "misroute", 0.91, 90, 100, 0.0, 0.04)
    found = policy(promise)
    assert found.decide(scores()).reason is Reason.LOW_CONFIDENCE
    explained = found.explain(scores())
    assert (explained.min_confidence, explained.guarantee) == (0.91, promise.sentence())


def test_a_guarantee_is_stated_only_while_every_domain_has_an_active_specialist():
    """It is about the requests of all domains: few wrong ones among many may be many among few."""
    promise = Guarantee(0.05, 0.05, "misroute", 0.8, 90, 100, 0.0, 0.04)
    table = {"sql": ("sql-a", "sql-b"), "math": ("math-a",)}
    found = Policy(table, "boss", RouterConfig(), promise)
    for active, voided_by in (
        ({"sql-b", "math-a"}, ()),
        ({"sql-a", "sql-b"}, ("math",)),
        (set(), ("math", "sql")),
    ):
        access = Access(active=active.__contains__)
        stated = found.explain(scores(), access=access).guarantee
        assert found.guarantee_voided_by(access) == voided_by
        assert (stated == promise.sentence()) == (not voided_by)
        assert all(domain in stated for domain in voided_by)


def test_what_routes_nothing_is_voided_by_nobody():
    """Without a guarantee, or with an infeasible one, there is nothing to be kept."""
    nothing = Guarantee(0.05, 0.05, "misroute", None, 0, 9, None, 1.0, "too few rows")
    nobody = Access(active=lambda _: False)
    for what in (None, nothing):
        assert policy(what).guarantee_voided_by(nobody) == ()


def test_without_a_threshold_that_gives_the_guarantee_nothing_is_routed():
    """An infeasible guarantee is kept by routing nothing, and the explanation says so."""
    nothing = Guarantee(0.05, 0.05, "misroute", None, 0, 9, None, 1.0, "too few rows")
    found = policy(nothing)
    assert found.decide(scores()).reason is Reason.GUARANTEE_INFEASIBLE
    assert found.explain(scores()).guarantee == nothing.sentence()


def test_a_requested_model_is_the_only_candidate():
    """Who names a model gets that one or an error."""
    decision = policy().requested("sql-a", "sql")
    assert (decision.candidates, decision.reason) == (("sql-a",), Reason.REQUESTED)
    assert (decision.domain, decision.confidence) == ("sql", 1.0)


def test_a_query_without_scores_goes_to_the_generalist():
    """The reason says that nobody classified it."""
    decision = policy().unclassified()
    assert (decision.candidates, decision.reason) == (("boss",), Reason.CLASSIFIER_UNAVAILABLE)
    assert decision.scores is None


def test_an_explanation_shows_the_thresholds_in_force():
    """The operator's thresholds are shown where they replace the artifact's."""
    found = policy(max_ood_score=2.0).explain(scores())
    assert (found.max_ood_score, found.min_confidence) == (2.0, 0.6)
    assert (found.probabilities, found.ood_score) == (scores().probabilities, -1.0)


def test_an_explanation_shows_the_rationale_that_it_is_given():
    """The classifier gives one, if anybody asks."""
    rationale = Rationale(neighbours=(Neighbour("count the rows", "sql", 0.9),))
    assert policy().explain(scores(), rationale).rationale == rationale
    assert policy().explain(scores()).rationale is None


def test_a_conversation_stays_with_the_model_that_called():
    """Then comes the generalist; nothing was to be classified."""
    decision = policy().continued("sql-a", "sql")

    assert decision == Decision("sql", ("sql-a", "boss"), Reason.SAME_CONVERSATION, 1.0)
    assert policy().continued("boss", GENERAL).candidates == ("boss",)


@pytest.mark.parametrize("what", ["available", "active", "able"])
def test_a_conversation_leaves_a_model_that_may_not_be_asked(what):
    """A model that is ill, inactive or not able any more is not asked."""
    assert policy().continued("sql-a", "sql", Access(**{what: lambda _: False})) is None


def test_the_generalist_has_no_state():
    """Only specialists are active or not."""
    assert policy().continued("boss", GENERAL, Access(active=lambda _: False)) is not None


def test_without_scores_an_able_model_answers():
    """Where the generalist is not able, a specialist that is."""
    decision = policy().unclassified(Access(able=lambda model: model != "boss"))

    assert (decision.candidates, decision.reason) == (("sql-a",), Reason.CLASSIFIER_UNAVAILABLE)
