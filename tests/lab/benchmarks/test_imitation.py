"""Whether answers imitate the specialists before them."""

import json
from collections import Counter

import pytest

from lab.benchmarks.imitation import (
    HALVES,
    WAYS,
    Conversation,
    answers,
    imitates,
    read_conversations,
    table,
)
from lab.comparison.journal import Journal

SQL = 'SELECT "name" FROM t WHERE "country" = \'France\''
CALL = '{"name": "PlayMusic", "arguments": {"artist": "Miles Davis"}}'


def conversation(name="sql-1", half="test", kind="chat", expects=()):
    said = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": SQL})
    return Conversation(name, half, "sql", kind, expects, (*said, said[0]))


def test_each_conversation_ends_with_the_user_after_a_specialist():
    """Half of each domain's conversations is for choosing, half for the report."""
    found = read_conversations()

    assert len({of.id for of in found}) == 40
    assert Counter((of.domain, of.half) for of in found) == {
        (domain, half): 4
        for domain in ("sql", "math", "support", "tools", "biomed")
        for half in HALVES
    }
    for of in found:
        roles = [turn["role"] for turn in of.messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        assert all(imitates(turn["content"], "chat") for turn in of.messages[1::2]), of.id


@pytest.mark.parametrize(
    "answer",
    [
        SQL,
        CALL,
        CALL[:30],
        f"Of course: {CALL}",
        "48 - 29 = 19",
        "(5 * 6) - 14 = 16",
        "lost_or_stolen_phone",
        "sadness",
        f"As asked, the structured result: {CALL}",
        "Here is the result that you asked for: a nice day by the sea",
        "",
    ],
)
@pytest.mark.parametrize("kind", ["chat", "about"])
def test_a_structure_where_prose_was_asked_for_imitates(answer, kind):
    """Whole, cut off, announced; and so does what only announces one."""
    assert imitates(answer, kind) is (kind == "chat" or "nice day" not in answer)


@pytest.mark.parametrize(
    "answer", ["You're welcome!", "Sodium keeps the body's fluids in balance.", "Salt (5 g - 6 g)."]
)
def test_prose_does_not_imitate(answer):
    """Whatever it is about."""
    assert not imitates(answer, "chat")


def test_a_question_about_an_answer_may_quote_it():
    """In prose: the quotation alone is no explanation."""
    assert not imitates(f"It lists the names of all French singers:\n{SQL}", "about")
    assert imitates(f"The query:\n{SQL}", "about")
    assert not imitates("The answer is 36.", "about")


async def test_an_answer_that_is_there_is_not_asked_again(tmp_path):
    """A run that was interrupted goes on where it stopped."""
    asked = []

    async def ask(messages):
        asked.append(messages)
        return "fine"

    journal = Journal(tmp_path / "answers.jsonl", {"seed": 0})
    first = await answers([conversation()], ["as it is"], ask, journal)
    both = await answers([conversation()], ["as it is", "dropped"], ask, journal)

    assert first.items() < both.items()
    assert [len(messages) for messages in asked] == [3, 1]


@pytest.mark.parametrize("way", WAYS)
def test_no_way_changes_what_the_user_said(way):
    """The last message is the user's own, and the conversation is left as it was."""
    messages = conversation().messages
    before = json.dumps(messages)

    shown = WAYS[way](messages)

    assert shown[-1] == messages[-1]
    assert json.dumps(messages) == before
    assert (SQL in json.dumps([turn["content"] for turn in shown]).replace('\\"', '"')) is (
        way != "dropped"
    )


def test_a_table_is_about_its_half():
    """The share that imitates, and the share with a word that a good answer has."""
    those = [conversation("a"), conversation("b", kind="about", expects=["france"])]
    other = conversation("c", half="development")
    found = {("as it is", "a"): SQL, ("as it is", "b"): "It is about people from France."}

    [row] = table("test", [*those, other], ["as it is"], found).rows

    assert row[0] == "as it is"
    assert row[1].startswith("0.50 [")
    assert row[2:] == ("0 of 1", row[3], "6")
    assert row[3].startswith("1.00 [")
