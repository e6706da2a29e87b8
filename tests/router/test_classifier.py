"""The classifier: which text decides, and what happens without one."""

from dataclasses import replace

import numpy as np
import pytest

from deployments.protocol import Message
from router.artifact import load_artifact
from router.classifier import RouteClassifier, text_of
from router.conversation import FollowUpDetector, Reading
from router.form_head import FormHead
from router.types import GENERAL, Query, Rationale, Source
from tests.router.fakes import WIDTH, HashingEncoder


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
    near = classifier.rationale(Query(text="select rows from the table"), 3).neighbours
    assert len(near) == 3
    assert near[0].domain == "sql"
    assert [n.similarity for n in near] == sorted((n.similarity for n in near), reverse=True)


def test_a_text_without_content_has_no_rationale(classifier):
    """Nothing resembles nothing."""
    assert classifier.rationale(Query(text="  ")) == Rationale()


def test_a_rationale_names_the_words_that_decide(classifier):
    """The word that only one domain uses carries its probability; the text is whole."""
    pieces = classifier.rationale(Query(text=" play a song, hello album ")).pieces
    assert [piece.text for piece in pieces] == ["play ", "a ", "song, ", "hello ", "album"]
    found = {piece.text.strip(): piece.effect for piece in pieces}
    assert found["album"] > 0 > found["hello"]


def test_a_single_word_is_compared_with_silence(classifier):
    """Which is `general` for sure: the whole probability hangs on the word."""
    query = Query(text="song")
    [scores], [piece] = classifier.scores([query]), classifier.rationale(query).pieces
    assert piece.effect == pytest.approx(scores.probabilities["tools"])


def test_a_rationale_costs_one_more_batch(classifier, encoder):
    """The text is read as for its scores, then once again with all that lack a part."""
    classifier.rationale(Query(text="play a song"))
    assert encoder.encoded == ["play a song", "play a song", "a song", "play song", "play a"]


def test_a_rationale_says_what_was_read(classifier):
    """The turn, the system prompt and the length, as the conversation was read."""
    source = classifier.rationale(Query((Message("user", " play a song "),))).source
    assert source == Source(turns_back=0, with_system=False, characters=11, shortened=False)


def reading(classifier, encoder, **changes):
    """The classifier, for which every text is a follow-up."""
    always = FollowUpDetector(np.zeros(WIDTH, np.float32), 1.0)
    trained = replace(classifier.trained, reading=Reading(always, **changes))
    return RouteClassifier(encoder, trained)


def test_a_rationale_names_the_turn_that_was_read(classifier, encoder):
    """Counted from the user's last message; messages of others do not count."""
    said = (
        Message("user", "play a song"),
        Message("assistant", "which?"),
        Message("user", "a new one"),
    )
    source = reading(classifier, encoder).rationale(Query(said)).source
    assert (source.turns_back, source.characters) == (1, 11)


def test_labels_are_no_pieces_to_leave_out(classifier, encoder):
    """What the router writes around the system prompt and the user's words has no effect."""
    said = Message("system", "be kind"), Message("user", "play a song")
    rationale = reading(classifier, encoder, reads_system=True).rationale(Query(said))
    assert rationale.source == Source(0, with_system=True, characters=18, shortened=False)
    assert [piece.text for piece in rationale.pieces if piece.effect is None] == [
        *("System: ", "\nUser: ")
    ]
    assert "".join(piece.text for piece in rationale.pieces) == "System: be kind\nUser: play a song"


def test_a_system_prompt_that_settles_a_doubt_was_read(classifier, encoder):
    """An artifact that reads it only then says so too."""
    said = Message("system", "play a song play an album"), Message("user", "play it where")
    query = Query(said)
    rationale = RouteClassifier(
        encoder, replace(classifier.trained, min_confidence=doubt(classifier, query))
    ).rationale(query)
    assert rationale.source.with_system
    assert None not in [piece.effect for piece in rationale.pieces]


def doubt(classifier, query):
    """A threshold that the user's words alone miss, and those with the system prompt meet."""
    alone, both = query.messages[1].content, "\n".join(turn.content for turn in query.messages)
    least, most = (
        scores.probabilities["tools"] for scores in classifier.scores_of_texts([alone, both])
    )
    assert least < most
    return (least + most) / 2


def test_what_a_long_text_was_shortened_from_is_told(classifier):
    """The characters are those of the whole message."""
    rationale = classifier.rationale(Query(text="play a song. " * 200))
    assert rationale.source == Source(0, with_system=False, characters=2599, shortened=True)
    assert len("".join(piece.text for piece in rationale.pieces)) < 1000


def test_an_artifact_without_a_form_head_names_no_form(classifier):
    """Older artifacts, and those whose encoder is not tuned, have none."""
    assert classifier.rationale(Query(text="play a song")).form is None


def test_the_form_is_read_from_the_vector_that_decides(trained, encoder):
    """With the probability that the form head gives it."""
    learnt = trained[1].trained
    names, rows = ("plain", "other task"), np.zeros((2, WIDTH), np.float32)
    forms = FormHead(names, rows, np.array([0.0, np.log(3)], np.float32))
    classifier = RouteClassifier(encoder, replace(learnt, forms=forms))
    form = classifier.rationale(Query(text="play a song")).form
    assert (form.name, form.probability) == ("other task", pytest.approx(0.75))
