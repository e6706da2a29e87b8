"""Forms of prompts: drawn alike for all labels, the same each time, in wordings of two sides."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.protocol import Message
from lab.benchmarks.perturb import PERTURBATIONS
from lab.benchmarks.robustness import FOLDER
from lab.routing.dataset import LabelledQuery
from lab.routing.forms import (
    CONTEXT_IN_SYSTEM,
    IN_LONG_TEXT,
    MIX,
    OTHER_TASK,
    OTHER_TASK_BY_SYSTEM,
    OTHER_TASKS,
    OWN_TASK_BY_SYSTEM,
    PLAIN,
    SYSTEM_PROMPT,
    TEXTS,
    TYPOS,
    formed,
    in_form,
    in_mix,
    in_some_forms,
    label,
    wordings,
)
from lab.routing.rows import Row
from router.types import GENERAL, Query

ROOT = Path(__file__).parents[3]
TRAINING, HELD_OUT = wordings(held_out=False), wordings(held_out=True)
BOTH = pytest.mark.parametrize("side", [TRAINING, HELD_OUT], ids=["training", "held out"])
TEXT = "name, country, age\nHow many singers are from France?"
BRACES = [
    *("{", "}", "{}", "{0}", "{text}", "{language}", "%s", "\\1"),
    'Call {"name": "play", "parameters": {"song": "{text}"}} for me',
    "f'{x!r:>{width}}'",
]
TASK_FORMS = [form for form in TRAINING.forms if form not in (PLAIN, TYPOS)]


def rows(count=200, domain="sql"):
    return [Row(f"{TEXT} {number}", domain, f"{number}", source="toy") for number in range(count)]


def whole(query):
    """All that is said, in one text."""
    return "\n".join(turn.content for turn in query.messages)


def every_wording(side):
    """Each wording of a side."""
    tasks = [text for task in side.other_tasks for text in (*task.user, *task.system)]
    frames = [text for found in side.frames.values() for frame in found for text in frame.wordings]
    own_tasks = [text for found in side.own_tasks.values() for text in found]
    return [*tasks, *frames, *side.systems, *side.fillers, *own_tasks]


def test_there_are_kinds_enough_on_both_sides():
    """At least 30 kinds of other task, each with 8 wordings by the user and 8 by the system; a
    third of the kinds is held out."""
    for side in (TRAINING, HELD_OUT):
        assert len(side.other_tasks) >= 30
        assert min(min(len(task.user), len(task.system)) for task in side.other_tasks) >= 8
    assert 3 * len(HELD_OUT.other_tasks) >= len(TRAINING.other_tasks) + len(HELD_OUT.other_tasks)


def test_no_held_out_kind_or_wording_trains():
    """Kinds, wordings, system prompts and fillers of the two sides have nothing in common."""
    kinds = [{task.kind for task in side.other_tasks} for side in (TRAINING, HELD_OUT)]
    assert not kinds[0] & kinds[1]
    assert not set(every_wording(TRAINING)) & set(every_wording(HELD_OUT))
    assert len(kinds[0]) == len(TRAINING.other_tasks)


def test_no_training_prompt_measures():
    """The prompts that measure the router are in none of the texts that train it."""

    def plain(text):
        return " ".join(text.casefold().split())

    natural = (TEXTS / "natural.jsonl").read_text(encoding="utf-8").splitlines()
    training = {plain(json.loads(line)["text"]) for line in natural}
    training |= {plain(text) for text in every_wording(TRAINING)}
    measuring = {
        plain(json.loads(line)["messages"][-1]["content"])
        for file in FOLDER.glob("*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
    }
    assert len(measuring) > 1000
    assert not training & measuring


def test_no_frame_is_one_that_the_flips_are_measured_with():
    """The phrases of the perturbations were not trained on."""
    change = {perturbation.name: perturbation.apply for perturbation in PERTURBATIONS}
    measured = {
        change[name]("Which singers", seed).replace("Which singers", "{text}")
        for name in ("greeting", "thanks", "frame", "please")
        for seed in range(50)
    }
    assert not measured & set(every_wording(TRAINING))


@BOTH
def test_each_wording_has_the_text_and_known_slots(side):
    """Every wording by the user has `{text}`; every slot has values, and each is used."""
    for task in side.other_tasks:
        for wording in task.user:
            slots = set(re.findall(r"{(\w+)}", wording)) - {"text"}
            assert "{text}" in wording, task.kind
            assert slots <= set(task.slots), task.kind
        assert all(task.slots.values()), task.kind
        assert not [text for text in task.system if "{text}" in text], task.kind
    frames = [text for found in side.frames.values() for frame in found for text in frame.wordings]
    assert all("{text}" in text for text in frames)


@BOTH
@pytest.mark.parametrize("form", OTHER_TASKS)
def test_a_text_inside_another_task_is_general(side, form):
    """No specialist should get it, and the whole text is inside."""
    for salt in map(str, range(50)):
        query, label = formed(TEXT, "sql", form, side, salt)
        assert label == GENERAL
        assert TEXT in query.messages[-1].content


@BOTH
def test_a_task_may_be_set_by_the_system_prompt_alone(side):
    """The user's message is then the bare text."""
    query, _ = formed(TEXT, "sql", OTHER_TASK_BY_SYSTEM, side)
    assert [turn.role for turn in query.messages] == ["system", "user"]
    assert query.messages[-1].content == TEXT


@BOTH
def test_all_other_forms_keep_the_label(side):
    """And the text, but for typos, and for a context that moves to the system prompt."""
    for form in set(side.forms) - set(OTHER_TASKS):
        for salt in map(str, range(20)):
            query, label = formed(TEXT, "sql", form, side, salt)
            assert label == "sql", form
            if form not in (TYPOS, CONTEXT_IN_SYSTEM):
                assert TEXT in query.messages[-1].content, form


def test_a_context_moves_to_the_system_prompt():
    """The last line is the request; a text of one line has no context."""
    query, _ = formed(TEXT, "sql", CONTEXT_IN_SYSTEM, TRAINING)
    context, request = TEXT.split("\n")
    assert query.messages[0].content.endswith(context)
    assert query.messages[-1] == Message("user", request)
    assert formed("one line", "sql", CONTEXT_IN_SYSTEM, TRAINING) is None


def test_typos_leave_a_text_of_as_many_words():
    """Some words change by a letter; numbers and short words do not."""
    text = "How many of the 1234 singers in the table are from France and older than 30?"
    query, _ = formed(text, "sql", TYPOS, TRAINING)
    said, words = query.messages[-1].content.split(" "), text.split(" ")
    assert len(said) == len(words)
    assert said != words
    kept = [word for word in words if len(word) <= 2 or not word.isalpha()]
    assert [word for word in said if word in kept] == kept


@pytest.mark.parametrize("text", BRACES)
@pytest.mark.parametrize("form", TASK_FORMS)
def test_a_text_with_braces_survives(form, text):
    """Users paste code and JSON; slots are filled in the wording and not in the text."""
    for salt in map(str, range(10)):
        made = formed(f"columns\n{text}", "sql", form, TRAINING, salt)
        assert text in made[0].messages[-1].content


@BOTH
def test_no_slot_is_left_open(side):
    """Nothing of a wording's own markup reaches a prompt."""
    names = {"text", *(name for task in side.other_tasks for name in task.slots)}
    for salt in map(str, range(400)):
        query, _ = formed("hello", "sql", OTHER_TASK, side, salt)
        assert not names & set(re.findall(r"{(\w+)}", whole(query)))


@pytest.mark.parametrize("text", ["", "?", "\ud800", "数据库", "🙂", "a\n"])
@pytest.mark.parametrize("form", TRAINING.forms)
def test_any_text_takes_a_form_or_none(form, text):
    """Whatever a row holds, a form is made or there is none."""
    made = formed(text, "sql", form, TRAINING)
    assert made is None or made[0].messages[-1].role == "user"


def test_a_form_does_not_depend_on_the_label():
    """Rows of all labels are put into the same forms: only what they are labelled differs, and
    below whose own system prompt they stand."""
    sql, general = rows(domain="sql"), rows(domain=GENERAL)
    for form in set(TRAINING.forms) - {OWN_TASK_BY_SYSTEM}:
        for one, other in zip(sql[:20], general[:20], strict=True):
            assert in_form(one, form, TRAINING).query == in_form(other, form, TRAINING).query
    for draw in (lambda row: [in_mix(row, TRAINING)], lambda row: in_some_forms(row, TRAINING)):
        for one, other in zip(sql, general, strict=True):
            found = [
                [(made.form, made.form == OWN_TASK_BY_SYSTEM or made.query) for made in draw(row)]
                for row in (one, other)
            ]
            assert found[0] == found[1]


@BOTH
def test_a_system_prompt_of_the_domain_keeps_the_label(side):
    """A niche's prompt stands below one of its own; a general one below one of any niche; a domain
    without any, and one whose prompts have none, do not take the form."""
    query, found = formed("which?", "sql", OWN_TASK_BY_SYSTEM, side)
    assert (query.messages[0].content in side.own_tasks["sql"], found) == (True, "sql")
    every = {text for own in side.own_tasks.values() for text in own}
    general = [formed("hi", GENERAL, OWN_TASK_BY_SYSTEM, side, str(salt)) for salt in range(30)]
    assert {found for _, found in general} == {GENERAL}
    above = {query.messages[0].content for query, _ in general}
    assert above <= every
    assert len({name for name, own in side.own_tasks.items() if above & set(own)}) > 1
    assert formed("hi", "law", OWN_TASK_BY_SYSTEM, side) is None
    bare = replace(side, own_tasks={})
    assert formed("hi", GENERAL, OWN_TASK_BY_SYSTEM, bare) is None


def test_system_prompts_of_own_tasks_are_added():
    """To those of the domain, and of a domain that had none; those of other domains go."""
    found = TRAINING.with_own_tasks(
        {"law": ["Cite the statute."], "sql": ["One query."], "tax": []}
    )
    assert found.own_tasks == {
        "law": ("Cite the statute.",),
        "sql": (*TRAINING.own_tasks["sql"], "One query."),
    }


def test_the_mix_has_the_shares_that_it_says():
    """Each form is about as frequent as in `MIX`; the frames share the rest."""
    found = Counter(in_mix(row, TRAINING).form for row in rows(2000))
    for form, share in MIX.items():
        assert found[form] / 2000 == pytest.approx(share, abs=0.03), form
    assert min(found[frame] for frame in TRAINING.frames) > 0
    assert sum(MIX.values()) < 1


def test_a_row_trains_in_four_forms():
    """Inside another task by the user and by the system, in a frame, and in one form more."""
    for row in rows(50):
        made = in_some_forms(row, TRAINING)
        assert [one.form for one in made[:2]] == [OTHER_TASK, OTHER_TASK_BY_SYSTEM]
        assert [one.domain for one in made] == [GENERAL, GENERAL, "sql", "sql"]
        assert made[2].form in TRAINING.frames
        assert {(one.group, one.source) for one in made} == {(row.group, "toy")}


def test_a_conversation_takes_no_form():
    """It is kept as it is."""
    query = Query((Message("user", "a"), Message("assistant", "b"), Message("user", "c")))
    row = LabelledQuery(query, "sql", "group")
    assert in_form(row, PLAIN, TRAINING) is None
    assert in_some_forms(row, TRAINING) == []
    kept = in_mix(row, TRAINING)
    assert (kept.query, kept.domain, kept.form, kept.text) == (query, "sql", PLAIN, "c")


def test_an_outcome_is_about_the_plain_prompt():
    """In another form it is unknown what the models would have answered."""
    row = Row(TEXT, "sql", "g", excess_loss=0.5)
    assert in_form(row, PLAIN, TRAINING).excess_loss == 0.5
    assert in_form(row, SYSTEM_PROMPT, TRAINING).excess_loss is None


LABELS = {
    "a task that is read": (OTHER_TASK_BY_SYSTEM, GENERAL, "System: rhyme\nUser: a b", GENERAL),
    "a task that is not": (OTHER_TASK_BY_SYSTEM, GENERAL, "a b", None),
    "a request that was kept": (IN_LONG_TEXT, "sql", "x y b a z", "sql"),
    "a request that was cut off": (IN_LONG_TEXT, "sql", "x y z", GENERAL),
    "typos": (TYPOS, "sql", "aa bb", "sql"),
}


@pytest.mark.parametrize("case", LABELS.values(), ids=LABELS.keys())
def test_the_label_is_of_what_is_encoded(case):
    """A task that is not in the text teaches nothing, and a request that was cut off nobody's."""
    form, domain, text, expected = case
    assert label(form, domain, "a b", text) == expected


def test_kinds_can_be_left_out():
    """Those of a domain's own task; all else stays."""
    some = TRAINING.without({"translate", "proofread"})
    kinds = {task.kind for task in some.other_tasks}
    assert kinds == {task.kind for task in TRAINING.other_tasks} - {"translate", "proofread"}
    assert (some.frames, some.systems, some.fillers) == (
        *(TRAINING.frames, TRAINING.systems, TRAINING.fillers),
    )


def test_kinds_and_neutral_system_prompts_can_be_put_aside():
    """One in ten of both; nothing is lost, and nothing is on both sides."""
    kept, aside = TRAINING.apart(10)
    for all_, *parts in (
        [{task.kind for task in each.other_tasks} for each in (TRAINING, kept, aside)],
        [set(each.systems) for each in (TRAINING, kept, aside)],
    ):
        assert parts[0] | parts[1] == all_
        assert not parts[0] & parts[1]
        assert len(parts[1]) == pytest.approx(len(all_) / 10, abs=1)


def test_another_salt_gives_another_draw():
    """So that a training sees a prompt in several forms of one kind."""
    found = {whole(formed(TEXT, "sql", IN_LONG_TEXT, TRAINING, salt)[0]) for salt in "abcdefgh"}
    assert len(found) > 4


_MADE = """
import sys
from lab.routing.forms import in_mix, in_some_forms, wordings
from lab.routing.rows import Row
for number in range(60):
    row = Row(f"{sys.argv[1]} {number}", "sql", f"{number}", source="toy")
    for one in (in_mix(row, wordings(False)), *in_some_forms(row, wordings(False))):
        print(ascii((one.form, one.domain, one.query)))
"""


def test_the_same_rows_have_the_same_forms_in_another_process():
    """Whatever the seed of its hashes is."""
    done = subprocess.run(
        [sys.executable, "-c", _MADE, TEXT],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    made = [
        ascii((one.form, one.domain, one.query))
        for row in rows(60)
        for one in (in_mix(row, TRAINING), *in_some_forms(row, TRAINING))
    ]
    assert done.stdout.splitlines() == made
