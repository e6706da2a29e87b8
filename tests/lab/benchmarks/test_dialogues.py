"""Conversations made from labelled prompts."""

from collections import Counter

import pytest

from lab.benchmarks.dialogues import Material, dialogues
from lab.routing.rows import Row
from router.types import GENERAL

FOLLOW_UPS = ("and for 2019?", "the same for Rome")
ROWS = [
    *(Row(f"table t{i}\nhow many rows has t{i}?", "sql", f"s{i}") for i in range(5)),
    *(Row(f"play song {i}", "tools", f"t{i}") for i in range(5)),
    *(Row(f"tell me about topic {i}", GENERAL, f"g{i}") for i in range(5)),
]
INSTRUCTIONS = {"sql": "Write SQL.", "tools": "Call a function."}


def made(rows=ROWS, **options):
    return dialogues(Material(rows, FOLLOW_UPS, INSTRUCTIONS), **options)


def of_kind(kind):
    return [dialogue for dialogue in made(each=20) if dialogue.kind == kind]


def said(dialogue, role="user"):
    return [turn.content for turn in dialogue.query.messages if turn.role == role]


def test_every_kind_is_made_as_often_as_asked():
    """There are more than a dozen kinds, each of the same size."""
    counts = Counter(dialogue.kind for dialogue in made(each=7))
    assert len(counts) > 12
    assert set(counts.values()) == {7}


def test_the_same_arguments_give_the_same_conversations():
    """Only another seed gives other ones."""
    assert made(each=5) == made(each=5) != made(each=5, seed=1)


def test_a_follow_up_belongs_to_the_niche_before_it():
    """The last words are a follow-up, the first a prompt of the niche that is expected."""
    for dialogue in of_kind("niche, then a follow-up"):
        first, last = said(dialogue)
        assert last in FOLLOW_UPS
        assert Row(first, dialogue.domain, "") in [Row(r.text, r.domain, "") for r in ROWS]
        assert dialogue.domain != GENERAL


def test_a_general_request_leaves_the_niche():
    """What is expected is the domain of the last words."""
    for dialogue in of_kind("niche, then general"):
        assert dialogue.domain == GENERAL
        assert said(dialogue)[1].startswith("tell me about")


def test_niches_are_left_for_others():
    """The two niches of a conversation differ."""
    for dialogue in of_kind("niche, then another niche"):
        first, last = said(dialogue)
        assert first.startswith("play") == (dialogue.domain == "sql") != last.startswith("play")


def test_a_table_stands_in_the_system_prompt():
    """All lines of a prompt but the last are the system prompt, the last is what the user says."""
    for dialogue in of_kind("table in the system prompt"):
        [system], [last] = said(dialogue, "system"), said(dialogue)
        assert f"{system}\n{last}" in [row.text for row in ROWS]
        assert dialogue.domain == "sql"


def test_a_tool_has_the_last_word_but_the_user_decides():
    """The conversation ends with a tool's result, and belongs where the user's last words do."""
    for dialogue in of_kind("general, niche, then a tool's result"):
        assert dialogue.query.messages[-1].role == "tool"
        assert said(dialogue)[-1].startswith("play") == (dialogue.domain == "tools")


def test_prompts_of_one_line_have_no_tables():
    """Kinds that need a table are left out where no prompt has two lines."""
    flat = [row for row in ROWS if row.domain != "sql"]
    kinds = {dialogue.kind for dialogue in made(each=2)}
    left = {dialogue.kind for dialogue in made(flat, each=2)}
    assert {kind for kind in kinds - left if "table" in kind} == {k for k in kinds if "table" in k}


def test_one_niche_is_not_left_for_another():
    """With a single niche that kind is left out, and the others are made."""
    flat = [row for row in ROWS if row.domain != "tools"]
    left = {dialogue.kind for dialogue in made(flat, each=2)}
    assert "niche, then another niche" not in left
    assert "niche, then a follow-up" in left


@pytest.mark.parametrize(
    ("rows", "follow_ups"),
    [(ROWS[:5], FOLLOW_UPS), (ROWS[10:], FOLLOW_UPS), (ROWS, ())],
    ids=["no general", "no niche", "no follow-ups"],
)
def test_material_that_is_not_enough_is_refused(rows, follow_ups):
    """General prompts, a niche and follow-ups are needed."""
    with pytest.raises(ValueError, match=r"'general'.*niche.*follow"):
        Material(rows, follow_ups, INSTRUCTIONS)
