"""The robustness benchmark: its prompts, how they are made, and its figures."""

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from deployments.protocol import Message
from lab.benchmarks.robustness import (
    FOLDER,
    MADE,
    RobustnessPrompt,
    make_prompts,
    read_prompts,
    robustness,
)
from lab.routing import default_prompts, forms
from lab.routing.default_prompts import LabelledPrompt
from lab.routing.forms import OTHER_TASKS, TEXTS
from lab.specialists.registry import NICHES
from router.errors import DataError
from router.types import GENERAL, Query


@pytest.fixture(scope="module")
def prompts():
    return read_prompts()


def test_prompts_have_names_of_their_own_and_known_domains(prompts):
    """So that a figure can be traced to a prompt; a made one is named after its kind too."""
    written = [prompt.id for prompt in prompts if "/" not in prompt.id]
    assert len(set(written)) == len(written) > 1500
    assert len(prompts) > 5000
    assert {prompt.domain for prompt in prompts} == {GENERAL, *NICHES}
    assert all(prompt.query.messages[-1].role == "user" for prompt in prompts)


def test_each_kind_has_enough_prompts_for_a_figure(prompts):
    """Of each niche as many; other tasks, near misses and pasted blocks belong to nobody."""
    kinds = Counter(prompt.kind for prompt in prompts)
    assert min(kinds.values()) >= 45
    assert {"natural", "near miss", "pasted block", *OTHER_TASKS} <= set(kinds)
    nobody = {*OTHER_TASKS, "near miss", "pasted block", "general"}
    for prompt in prompts:
        if prompt.kind in nobody or prompt.kind.startswith("general "):
            assert prompt.domain == GENERAL, prompt.id


def test_no_prompt_is_in_the_texts_that_train(prompts):
    """Not even as a part of it: natural prompts that train are others."""
    lines = (TEXTS / "natural.jsonl").read_text(encoding="utf-8").splitlines()
    training = {" ".join(json.loads(line)["text"].casefold().split()) for line in lines}
    measured = {" ".join(p.query.messages[-1].content.casefold().split()) for p in prompts}
    assert not training & measured


def test_an_absent_file_is_named(tmp_path):
    """The error of reading reaches the caller."""
    with pytest.raises(DataError, match="natural"):
        read_prompts(tmp_path)


def test_prompts_are_made_of_test_rows_alone():
    """Rows of other splits, and general ones of this project, make none."""
    rows = [
        LabelledPrompt(f"select {n} rows", "sql", f"{n}", split, source)
        for n, (split, source) in enumerate([("test", "wikisql (x)"), ("train", "wikisql (x)")])
    ]
    own = LabelledPrompt("what is a table?", GENERAL, "own", "test", "near misses (own)")
    made = [line for line in make_prompts([*rows, own]) if not line["kind"].startswith("natural")]
    assert made
    assert all(
        "select 0" in line["messages"][-1]["content"] for line in made if "typo" not in line["kind"]
    )
    assert all(line["id"].split("/")[1].startswith("wikisql-") for line in made)


@pytest.mark.data
def test_the_made_prompts_are_those_that_the_code_makes():
    """From the default router's test rows."""
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    with gzip.open(FOLDER / MADE, "rt", encoding="utf-8") as file:
        kept = [json.loads(line) for line in file]
    assert kept == make_prompts(default_prompts.rows(Path(where)))


def prompt(number, domain, kind):
    return RobustnessPrompt(f"{number}", Query((Message("user", "x"),)), domain, kind)


def test_figures_are_shares_of_each_kind():
    """Recall of what belongs to a specialist, and the share of the rest that is routed."""
    asked = [
        *(prompt(number, "sql", "natural") for number in range(10)),
        *(prompt(number, GENERAL, forms.OTHER_TASK) for number in range(10)),
        *(prompt(number, "sql", forms.TYPOS) for number in range(10)),
    ]
    went = np.array(["sql"] * 9 + ["tools"] + [GENERAL] * 8 + ["sql"] * 2 + [GENERAL] * 10)
    shown = {figure.name: figure for figure in robustness(lambda _: went, asked).figures}
    assert shown["natural sql: recall"].value == 0.9
    assert shown["natural sql: recall"].met
    assert shown["other task: routed"].value == pytest.approx(0.2)
    assert not shown["other task: routed"].met
    assert shown["typos: recall"].value == 0.0
    assert "other task: recall" not in shown
