"""The classifier: which text decides, and what happens without one."""

import pytest

from deployments.protocol import Message
from router.artifact import load_artifact
from router.classifier import text_of
from router.types import GENERAL, Query
from tests.router.fakes import HashingEncoder


@pytest.fixture
def encoder():
    return HashingEncoder(max_words=8)


@pytest.fixture
def classifier(trained, encoder):
    return load_artifact(trained[0], encoder)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (Query(text="complete this"), "complete this"),
        (Query((Message("user", "first"), Message("assistant", "yes"))), "first"),
        (Query((Message("user", "first"), Message("user", "second"))), "second"),
        (Query((Message("system", "be kind"),)), ""),
        (Query(), ""),
    ],
    ids=["completion", "answered", "last of two", "no user", "nothing"],
)
def test_the_last_words_of_the_user_decide(query, text):
    """The last message of the user counts, or a completion's text."""
    assert text_of(query) == text


def test_queries_are_told_apart(classifier):
    """Each query gets the domain whose words it uses, in the order asked."""
    texts = ["select rows from the table", "play a song", "explain the history of a poem"]
    found = classifier.scores([Query(text=text) for text in texts])
    best = [max(s.probabilities, key=s.probabilities.get) for s in found]
    assert best == ["sql", "tools", "general"]


@pytest.mark.parametrize("text", ["", "  \n\t "], ids=["empty", "white space"])
def test_a_query_without_text_abstains(classifier, encoder, text):
    """Without text the domain is general for sure, and nothing is encoded."""
    [scores] = classifier.scores([Query(text=text)])
    assert scores.probabilities == {GENERAL: 1.0, "sql": 0.0, "tools": 0.0}
    assert scores.ood_score == scores.max_ood_score
    assert encoder.encoded == []


def test_empty_and_spoken_queries_keep_their_order(classifier):
    """An abstention between two queries does not shift their scores."""
    alone = classifier.scores([Query(text="select rows"), Query(text="play a song")])
    mixed = classifier.scores([Query(text="select rows"), Query(), Query(text="play a song")])
    assert [mixed[0], mixed[2]] == alone


def test_a_cut_text_is_reported(classifier):
    """A text beyond the encoder's limit is marked as truncated."""
    scores = classifier.scores([Query(text="play " * 9), Query(text="play " * 8)])
    assert [found.truncated for found in scores] == [True, False]


def test_neighbours_are_the_nearest_training_prompts(classifier):
    """The neighbours come best first, and look like the text."""
    near = classifier.neighbours("select rows from the table", 3)
    assert len(near) == 3
    assert near[0].domain == "sql"
    assert [n.similarity for n in near] == sorted((n.similarity for n in near), reverse=True)


def test_a_text_without_content_has_no_neighbours(classifier):
    """Nothing resembles nothing."""
    assert classifier.neighbours("  ", 3) == ()
