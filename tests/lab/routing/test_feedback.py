"""Decisions of the gateway as labelled prompts: only what somebody judged is a label."""

import json

import pytest

from deployments.protocol import Message
from lab.routing.feedback import from_log, prompt_sha256
from router.errors import DataError
from router.types import Query


def decision(request_id, **changes):
    """A line of the log, as the gateway writes it."""
    line = {
        "request_id": request_id,
        "time": 1700000000.5,
        "requested_model": "auto",
        "domain": "sql",
        "first_candidate": "sql",
        "model": "sql",
        "reason": "routed",
        "confidence": 0.9,
        "status": 200,
        "prompt_sha256": prompt_sha256(Query(text=f"prompt {request_id}")),
        "text": f"prompt {request_id}",
    } | changes
    return {name: value for name, value in line.items() if value is not None}


@pytest.fixture
def read_judged(tmp_path):
    """Writes a log and feedback, and reads them."""

    def read(log, feedback, texts=()):
        paths = []
        for name, lines in (("log", log), ("feedback", feedback)):
            path = tmp_path / f"{name}.jsonl"
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
            paths.append(path)
        return from_log(*paths, texts)

    return read


def test_the_right_domain_makes_a_label(read_judged):
    """Whether or not it is the one that was decided."""
    log = [decision("a"), decision("b")]
    found = read_judged(
        log, [{"request_id": "a", "domain": "sql"}, {"request_id": "b", "domain": "law"}]
    )
    assert [(row.text, row.domain) for row in found.rows] == [
        ("prompt a", "sql"),
        ("prompt b", "law"),
    ]
    assert {(row.group, row.source) for row in found.rows} == {
        ("prompt a", "log.jsonl"),
        ("prompt b", "log.jsonl"),
    }


def test_decisions_without_feedback_are_no_labels(read_judged):
    """What the router decided by itself would only confirm it; they are counted."""
    found = read_judged([decision("a"), decision("b")], [{"request_id": "a", "domain": "sql"}])
    assert (len(found.rows), found.decisions, found.unjudged) == (1, 2, 1)


@pytest.mark.parametrize(
    ("changes", "score", "label"),
    [
        ({}, 0.5, "sql"),
        ({}, 0.49, None),
        ({"reason": "general", "domain": "general"}, 1, "general"),
        ({"reason": "general", "domain": "law"}, 1, None),
        ({"reason": "low_confidence"}, 1, None),
        ({"reason": "out_of_distribution"}, 1, None),
        ({"reason": "unhealthy"}, 1, None),
        ({"reason": "requested"}, 1, None),
    ],
    ids=["good", "bad", "general", "unserved", "unsure", "strange", "failed", "requested"],
)
def test_a_score_confirms_what_it_can_tell(read_judged, changes, score, label):
    """A good answer of the decided domain's own model confirms it; nothing else says a domain."""
    log = [decision("a", **changes), decision("sure")]
    feedback = [{"request_id": "a", "score": score}, {"request_id": "sure", "domain": "tools"}]
    found = read_judged(log, feedback)
    labels = {row.text: row.domain for row in found.rows}
    assert labels.get("prompt a") == label
    assert found.undecided == (label is None)


@pytest.mark.parametrize(
    "lines",
    [
        [{"domain": "law"}, {"domain": "sql"}],
        [{"domain": "sql"}, {"score": 0}],
        [{"score": 0}, {"score": 1}],
        [{"score": 1, "domain": "sql"}],
    ],
    ids=["later domain", "domain over score", "later score", "both"],
)
def test_the_last_word_counts_and_a_domain_more_than_a_score(read_judged, lines):
    """People change their minds."""
    found = read_judged([decision("a")], [{"request_id": "a"} | line for line in lines])
    assert [row.domain for row in found.rows] == ["sql"]


def test_hashed_prompts_are_joined_by_their_checksum(read_judged):
    """Spaces around do not matter; what cannot be joined is counted."""
    log = [decision("a", text=None), decision("b", text=None), decision("c", text=None)]
    log[2].pop("prompt_sha256")
    feedback = [{"request_id": name, "domain": "sql"} for name in "abc"]
    found = read_judged(log, feedback, [Query(text="  prompt a\n")])
    assert [row.query for row in found.rows] == [Query(text="  prompt a\n")]
    assert found.textless == 2


def test_logged_conversations_are_used_as_they_were(read_judged):
    """The whole conversation becomes the query."""
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    [row] = read_judged(
        [decision("a", text=None, messages=turns)], [{"request_id": "a", "domain": "sql"}]
    ).rows
    assert [(turn.role, turn.content) for turn in row.query.messages] == [
        ("system", "s"),
        ("user", "u"),
    ]


def test_an_id_that_several_requests_share_is_left_out(read_judged):
    """Clients choose ids; which request was judged cannot be known."""
    log = [decision("a"), decision("a", text="other"), decision("b")]
    found = read_judged(log, [{"request_id": name, "domain": "sql"} for name in "ab"])
    assert ([row.text for row in found.rows], found.ambiguous) == (["prompt b"], 2)


def test_feedback_of_other_logs_is_counted(read_judged):
    """It may belong to a log that was rotated away."""
    feedback = [{"request_id": name, "domain": "sql"} for name in "axyz"]
    assert read_judged([decision("a")], feedback).unmatched == 3


def test_the_counts_are_told(read_judged):
    """What is zero is not mentioned."""
    found = read_judged([decision("a"), decision("b")], [{"request_id": "a", "domain": "sql"}])
    lines = [line.split(maxsplit=1) for line in found.summary().splitlines()]
    assert [int(count) for count, _ in lines] == [2, 1, 1]
    for (_, text), named in zip(lines, ("decisions", "labelled", "no feedback"), strict=True):
        assert named in text


@pytest.mark.parametrize(
    ("changes", "judgement", "remedy"),
    [
        ({"text": None}, {"domain": "sql"}, "--data"),
        ({}, {"score": 0}, '{"request_id"'),
    ],
    ids=["hashed", "undecided"],
)
def test_nothing_left_is_an_error_with_the_remedy(read_judged, changes, judgement, remedy):
    """The counts say where the rows went, and the error what to do."""
    with pytest.raises(DataError, match="labelled") as raised:
        read_judged([decision("a", **changes)], [{"request_id": "a"} | judgement])
    assert remedy in str(raised.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"request_id": "a"}, "neither domain nor score"),
        ({"domain": "sql"}, "request_id is None"),
        ({"request_id": "a", "domain": "SQL"}, "domain 'SQL'"),
        ({"request_id": "a", "score": 7}, "score is 7"),
        ({"request_id": "a", "rating": 1}, "unknown field 'rating'"),
    ],
    ids=["empty", "nobody", "domain", "score", "unknown"],
)
def test_faulty_feedback_is_named(read_judged, line, message):
    """The line and the remedy."""
    with pytest.raises(DataError, match=rf"feedback\.jsonl:1: {message}"):
        read_judged([decision("a")], [line])


def test_the_same_last_words_of_two_conversations_have_two_hashes():
    """A follow-up is not taken for that of another conversation, nor for the bare words."""
    last = Message("user", "and for 2019?")
    asked = [
        Query((Message("user", first), Message("assistant", "done"), last))
        for first in ("count the singers", "play a song")
    ]
    hashes = {prompt_sha256(query) for query in (*asked, Query((last,)))}
    assert len(hashes) == 3
    assert prompt_sha256(Query((last,))) == prompt_sha256(Query(text="and for 2019?"))
