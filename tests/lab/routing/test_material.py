"""What a training reads: which rows tune an encoder, which system prompts set a niche's task."""

from dataclasses import replace

import numpy as np

from deployments.protocol import Message
from lab.routing.dataset import LabelledQuery
from lab.routing.material import OWN, Material
from lab.routing.rows import Row, Splits
from router.types import GENERAL, Query

SQL = "You write SQLite queries."


def below(system, text, domain="sql", *more, group=None):
    """A row whose conversation has a system prompt, and perhaps more turns before the last."""
    turns = (Message("system", system), *more, Message("user", text))
    return LabelledQuery(Query(turns), domain, group=group or text, source="own rows")


def material(*rows):
    none = np.array([], np.int64)
    splits = Splits(np.arange(len(rows)), none, none, none, none, dropped=0)
    return Material(rows, splits, ("general", "law", "sql"))


def test_a_system_prompt_that_rows_of_a_niche_share_sets_its_task():
    """One that a single row has may hold a part of what it asks, and one of general rows sets none
    of a niche."""
    found = material(
        *(below(SQL, "oldest?"), below(SQL, "newest?"), below("boats(id, name)", "longest?")),
        *(below("Be kind.", "hi", GENERAL), below("Be kind.", "ho", GENERAL)),
        below("Cite the statute.", "theft?", "law"),
    ).own_tasks()
    assert found == {"sql": [SQL], "law": []}


def test_a_context_that_several_rows_share_is_no_task():
    """The questions of a table are one group; and what few of many rows share is a context too."""
    table = [below("boats(id, name)", f"question {n}", group="boats") for n in range(4)]
    rare = [below("crew(id, name)", f"crew {n}") for n in range(2)]
    many = [below(SQL, f"other {n}") for n in range(60)]

    assert material(*table, *rare, *many).own_tasks() == {"sql": [SQL]}


def test_rows_below_the_prompt_of_their_task_tune_an_encoder():
    """Those below another may lack what they ask about, and a conversation has no single text."""
    turn = (Message("user", "oldest?"), Message("assistant", "SELECT 1"))
    found = material(
        *(below(SQL, "oldest?"), below(SQL, "newest?"), below("boats(id, name)", "longest?")),
        *(below(SQL, "and now?", "sql", *turn), Row("plain", "sql", "p", source="x")),
    ).tuning_prompts()
    assert [prompt.text for prompt in found] == ["oldest?", "newest?", "plain"]


def test_a_text_of_several_domains_tunes_only_as_what_it_is_alone():
    """Below the niche's system prompt it is the niche's; tuning reads it without."""
    found = material(
        *(below(SQL, text) for text in ("oldest?", "newest?")),
        *(Row(text, GENERAL, text) for text in ("oldest?", "hello")),
    ).tuning_prompts()
    assert [(prompt.text, prompt.domain) for prompt in found] == [
        *(("newest?", "sql"), ("oldest?", GENERAL), ("hello", GENERAL))
    ]


def test_own_rows_are_drawn_more_often():
    """They are few, in words that public sets lack."""
    rows = Row("a", "sql", "a", source=f"natural {OWN}"), Row("b", "sql", "b", source="public")
    own, public = material(*rows).tuning_prompts()
    assert own.weight > public.weight


def test_one_row_of_each_group_is_for_guarantees():
    """Drawn by the seed: rows of a table are not independent, and the first is no better."""
    rows = [below(SQL, f"question {place}", group=f"{place % 4}") for place in range(40)]
    read = material(*rows)
    calibrating = replace(read, splits=replace(read.splits, calibration=read.splits.train))
    found = [[row.text for row in calibrating.calibration(seed)] for seed in (0, 0, 1)]
    assert [sorted(int(text.split()[1]) % 4 for text in texts) for texts in found] == 3 * [
        [0, 1, 2, 3]
    ]
    assert found[0] == found[1] != found[2]
