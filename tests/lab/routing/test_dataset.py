"""Labelled prompts from files: what a row may be, and what is said of one that may not."""

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from deployments.protocol import Message
from deployments.spec import Name
from lab.routing.dataset import (
    DOMAIN,
    LabelledQuery,
    contradictions,
    read_prompts,
    read_rows,
    require_trainable,
)
from lab.routing.rows import SPLITS, wording
from router.errors import DataError, TrainingError
from router.types import Query


@pytest.fixture
def file(tmp_path):
    """Writes rows to a file and returns its path."""

    def write(*rows):
        path = tmp_path / "prompts.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def row(**changes):
    fields = {"text": "How many rows?", "domain": "sql"} | changes
    return {name: value for name, value in fields.items() if value is not None}


def test_a_text_is_a_row(file):
    """What is not given has its default: the wording as the group, the file as the source."""
    [found] = read_rows(file(row()))
    assert found == LabelledQuery(
        query=Query(text="How many rows?"),
        domain="sql",
        group="how many rows",
        source="prompts.jsonl",
    )


def test_a_conversation_is_a_row(file):
    """What the user said last decides, and no tool's result; a developer is the system."""
    turns = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Sales in 2018?"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "And for 2019?"},
        {"role": "tool", "content": "12"},
    ]
    [found] = read_rows(file(row(text=None, messages=turns)))
    assert found.text == "And for 2019?"
    assert found.query.messages[0] == Message("system", "Be brief.")
    roles = [turn.role for turn in found.query.messages[1:]]
    assert roles == ["user", "assistant", "user", "tool"]


def test_everything_that_a_row_may_say_is_kept(file):
    """Group, split, source and both scores."""
    given = {"group": "t1", "split": "test", "source": "me"}
    [found] = read_rows(file(row(**given, specialist_score=0.25, generalist_score=1)))
    assert {name: getattr(found, name) for name in given} == given
    assert found.excess_loss == 0.75


def test_every_split_may_be_named(file):
    """The same ones as in the router."""
    found = read_rows(file(*(row(split=split) for split in SPLITS)))
    assert [row.split for row in found] == list(SPLITS)


def test_duplicates_share_a_group(file):
    """Case and punctuation make no other group; a text without words is its own."""
    groups = [
        found.group for found in read_rows(file(row(), row(text="how MANY rows"), row(text="?!")))
    ]
    assert groups == ["how many rows", "how many rows", "?!"]
    assert wording("  ") == ""


USER = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (row(text=None), "neither of text and messages"),
        (row(messages=[USER]), "both of text and messages"),
        (row(text=" \n"), "text is empty"),
        (row(text=5), "text is 5"),
        (row(text=None, messages=[]), r"messages is \[\]"),
        (row(text=None, messages="x"), "messages is 'x'"),
        (row(text=None, messages=["x"]), r"messages\[0\] is 'x'"),
        (
            row(text=None, messages=[USER, USER | {"role": "bot"}]),
            r"messages\[1\].*'bot'.*system, user, assistant, tool, developer",
        ),
        (row(text=None, messages=[USER | {"role": [1]}]), r"messages\[0\].*\[1\]"),
        (row(text=None, messages=[{"role": "user"}]), r"messages\[0\]\.content is None"),
        (
            row(text=None, messages=[USER | {"contents": 1}]),
            r"messages\[0\].*'contents'.*'content'.*role",
        ),
        (
            row(text=None, messages=[{"role": "assistant", "content": "x"}]),
            "messages has no user",
        ),
        (row(domain=None), "no domain.*'general'"),
        (row(domain=3), "domain is 3"),
        (row(split="dev"), "no split 'dev'.*train, validation, calibration, test, unseen"),
        (row(split=["test"]), r"no split \['test'\]"),
        (row(group=1), "group is 1"),
        (row(source=1), "source is 1"),
        (row(domian="sql"), r"'domian'.*'domain'.*text"),
        (row(label="sql"), "'label'.*text, messages, domain, group"),
        (row(specialist_score=1), "specialist_score"),
        (row(generalist_score=1), "generalist_score"),
        (row(specialist_score=2, generalist_score=1), "specialist_score is 2"),
        (row(specialist_score=0, generalist_score=True), "generalist_score is True"),
        (row(specialist_score=float("nan"), generalist_score=1), "specialist_score is nan"),
    ],
    ids=[
        *("nothing said", "said twice", "empty text", "text is a number"),
        *("no turns", "turns are text", "turn is text", "unknown role", "role is a list"),
        *("turn without content", "unknown turn field", "no user", "no domain"),
        *(
            "domain is a number",
            "unknown split",
            "split is a list",
            "group is a number",
            "source is a number",
        ),
        *("misspelt field", "unknown field", "specialist alone", "generalist alone"),
        *("score above 1", "score is true", "score is nan"),
    ],
)
def test_a_faulty_row_is_named_with_its_remedy(file, bad, named):
    """The line, the field, the bad value and what is allowed."""
    with pytest.raises(DataError, match=rf"prompts\.jsonl:2: .*{named}"):
        read_rows(file(row(), bad))


@pytest.mark.parametrize("read", [read_rows, read_prompts], ids=["rows", "prompts"])
def test_domains_with_invalid_names_are_one_line(file, read):
    """It names each of them once, with a valid name like it where there is one, and the rule."""
    names = ("computer science", "sql", "Text to SQL!", "-", "sql\n")
    with pytest.raises(DataError) as raised:
        read(file(*(row(domain=name) for name in names * 50)))
    [line] = str(raised.value).splitlines()
    assert "prompts.jsonl: " in line
    valid = {
        "computer science": "computer-science",
        "Text to SQL!": "text-to-sql",
        "sql\n": "sql",
    }
    for name, like_it in valid.items():
        assert line.count(f"{name!r} (write {like_it!r})") == 1
    assert line.count("), '-', ") == 1


def test_of_many_invalid_names_the_first_are_shown(file):
    """The others are counted."""
    with pytest.raises(DataError, match=r"'No 0'.*'No 9' \(write 'no-9'\) and 30 more"):
        read_rows(file(*(row(domain=f"No {number}") for number in range(40))))


@pytest.mark.parametrize(
    "name",
    ["sql", "a" * 63, "0.b_c-d", "A", "", "-a", "a b", "a" * 64, pytest.param("é", id="accent")],
)
def test_a_domain_may_be_called_what_niche_yaml_allows(name):
    """The pattern here and the one of the configuration agree."""
    try:
        TypeAdapter(Name).validate_python(name)
        allowed = True
    except ValidationError:
        allowed = False
    assert bool(DOMAIN.fullmatch(name)) is allowed


def test_rows_without_a_domain_are_kept_apart_where_they_are_allowed(file):
    """They are prompts to join with a log."""
    found = read_prompts(file(row(), row(text="x", domain=None)))
    assert [row.domain for row in found.labelled] == ["sql"]
    assert found.unlabelled == (Query(text="x"),)


def rows(**counts):
    return [
        LabelledQuery(Query(text=f"{domain} {number}"), domain, group=f"{domain}{number}")
        for domain, count in counts.items()
        for number in range(count)
    ]


def test_two_domains_of_eight_prompts_are_enough():
    """Fewer could not be split."""
    require_trainable(rows(sql=8, general=8))


def test_one_domain_alone_cannot_be_learnt():
    """The error says what to add."""
    with pytest.raises(TrainingError, match=r"20 rows.*sql.*'general'"):
        require_trainable(rows(sql=20))


def test_domains_of_too_few_prompts_are_named_with_their_counts():
    """Repetitions do not count."""
    repeated = [LabelledQuery(Query(text="The same!"), "law", group="x")] * 20
    with pytest.raises(TrainingError, match=r"law \(1\), sql \(7\)"):
        require_trainable([*rows(sql=7, general=9), *repeated])


def test_a_text_in_two_domains_is_found():
    """Whatever its case; the same words in different conversations are no contradiction."""
    said = (Message("user", "and 2019?"),)
    found = contradictions(
        [
            LabelledQuery(Query(text="Play it"), "tools", "1"),
            LabelledQuery(Query(text="play it!"), "general", "2"),
            LabelledQuery(Query(text="other"), "sql", "3"),
            LabelledQuery(Query(messages=said), "sql", "4"),
            LabelledQuery(Query(messages=said), "tools", "5"),
        ]
    )
    assert found == {"play it": ("general", "tools")}
