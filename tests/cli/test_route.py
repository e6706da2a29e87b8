"""`niche route`: what it asks the router, and the lines that explain a decision."""

from dataclasses import replace
from io import StringIO

import pytest

from cli.route import asked, explained, without_states
from deployments.protocol import Message
from router.types import Explanation, Form, Neighbour, Piece, Query, Rationale, Source

SOURCE = Source(turns_back=0, with_system=False, characters=20, shortened=False)
RATIONALE = Rationale(
    source=SOURCE,
    pieces=(Piece("play ", 0.25), Piece("a ", 0.0), Piece("song\n", -0.125)),
    neighbours=(Neighbour("play\nan album " * 9, "tools", 0.5),),
    form=Form("other task", 0.981),
)
EXPLANATION = Explanation(
    probabilities={"general": 0.25, "tools": 0.75},
    min_confidence=0.5,
    ood_score=0.5,
    max_ood_score=1.0,
    truncated=False,
    rationale=RATIONALE,
)


def lines(**changes: object) -> list[str]:
    """The lines for a rationale with changes."""
    return explained(replace(EXPLANATION, rationale=replace(RATIONALE, **changes)))


def effects(*values: float | None) -> list[str]:
    """The lines about parts with these effects, named by their place."""
    pieces = tuple(Piece(f"part{place}", value) for place, value in enumerate(values))
    said = lines(pieces=pieces, neighbours=())
    return said[said.index("  general      0.2500") + 1 :]


@pytest.mark.parametrize(
    ("text", "system", "query"),
    [
        ("play", "", Query(text="play")),
        ("-", "", Query(text="from stdin")),
        ("play", "be kind", Query((Message("system", "be kind"), Message("user", "play")))),
        ("-", "be kind", Query((Message("system", "be kind"), Message("user", "from stdin")))),
    ],
    ids=["text", "stdin", "system prompt", "both"],
)
def test_a_dash_reads_the_text_from_stdin(text: str, system: str, query: Query) -> None:
    """A system prompt makes it a conversation."""
    assert asked(text, system, StringIO("from stdin")) == query


def test_a_decision_is_explained_line_by_line() -> None:
    """Thresholds, what was read, its form, the probabilities, the words, a training prompt."""
    assert explained(EXPLANATION) == [
        "threshold   confidence 0.5000",
        "OOD score   0.5000, in distribution up to 1.0000",
        "read        the text",
        "form        other task 0.98",
        "probabilities",
        "  tools        0.7500",
        "  general      0.2500",
        "what speaks for tools (+) and against it (-)",
        "  +0.2500  play",
        "  -0.1250  song",
        "nearest training prompts",
        f"  0.500  tools        {('play an album ' * 9)[:72]}",
    ]


def test_the_strongest_come_first() -> None:
    """Three for the domain, then three against it; labels have no effect."""
    found = effects(0.1, -0.1, None, 0.3, 0.2, 0.4, -0.3, -0.4, -0.2)
    assert [line.split()[1] for line in found[1:]] == [
        *("part5", "part3", "part4", "part7", "part6", "part8")
    ]


def test_where_no_part_matters_one_line_says_so() -> None:
    """Instead of a list of zeros."""
    [line] = effects(0.0001, -0.0001)
    assert "no single part" in line


@pytest.mark.parametrize(
    ("source", "truncated", "read"),
    [
        (SOURCE, True, "the text, cut before it was encoded"),
        (replace(SOURCE, with_system=True), False, "the text with the system prompt"),
        (
            replace(SOURCE, characters=5000, shortened=True),
            True,
            "the text, shortened from 5000 characters",
        ),
    ],
    ids=["cut", "system prompt", "shortened"],
)
def test_what_was_read_is_told(source: Source, truncated: bool, read: str) -> None:
    """With the system prompt or not, and what is left of it."""
    rationale = replace(RATIONALE, source=source)
    found = explained(replace(EXPLANATION, truncated=truncated, rationale=rationale))
    assert f"read        {read}" in found


def test_without_a_rationale_the_scores_are_all() -> None:
    """As for a text without words."""
    for rationale in (None, Rationale()):
        assert explained(replace(EXPLANATION, rationale=rationale))[-1] == "  general      0.2500"


def test_a_guarantee_is_told() -> None:
    """In its own words."""
    said = explained(replace(EXPLANATION, guarantee="at most 1 %"))
    assert "guarantee   at most 1 %" in said


def test_a_guarantee_comes_with_its_condition_where_specialists_have_states() -> None:
    """They are in the store of the gateways, which this command does not ask."""
    told = without_states(replace(EXPLANATION, guarantee="at most 1 %")).guarantee
    assert told is not None
    assert "active" in told.removesuffix("at most 1 %")
    assert without_states(EXPLANATION) == EXPLANATION
