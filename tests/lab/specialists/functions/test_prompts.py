"""Rows of a function-calling set: which functions a prompt has, and what is answered."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from deployments.answer_forms import matcher_of
from deployments.tagged_calls import form_of
from lab.specialists.functions.catalogue import Function, Parameter, functions
from lab.specialists.functions.prompts import NO_CALL, seen, shared_rows, single_rows, unseen
from lab.specialists.functions.utterances import Utterance
from lab.specialists.niche import Example

KINDS = ("alpha", "beta", "gamma", "delta", "omega", "sigma", "kappa")
SHOWN = tuple(
    Function(
        name=f"do_{kind}",
        description=f"Do {kind}.",
        intents=(f"set/{kind}",),
        parameters={"size_of": Parameter("size")},
        like="twins" if kind in ("alpha", "beta") else "",
    )
    for kind in KINDS
)
GIVEN = [
    Utterance(f"{kind} number {n}", f"set/{kind}", (("size", f"number {n}"),), tested=False)
    for kind in KINDS
    for n in range(40)
]
OTHERS = [Utterance("fine, thanks", "nlu/general_praise", (), tested=False)]


def names(example: Example) -> list[str]:
    return [tool["function"]["name"] for tool in json.loads(example.tools)]


def called(example: Example) -> dict[str, object] | None:
    if example.answer == NO_CALL:
        return None
    call: dict[str, object] = json.loads(example.answer.split("\n")[1])
    return call


@pytest.fixture(scope="module", params=["shared", "single"])
def rows(request: pytest.FixtureRequest) -> list[Example]:
    if request.param == "single":
        return list(single_rows([*GIVEN, *OTHERS], SHOWN))
    return list(shared_rows([*GIVEN, *OTHERS], SHOWN, "train"))


def test_an_utterance_comes_once(rows: list[Example]) -> None:
    """With one set of functions, also those that call nothing."""
    assert max(Counter(row.prompt for row in rows).values()) == 1
    assert "fine, thanks" in {row.prompt for row in rows}


def test_a_call_is_of_a_function_in_the_prompt_and_says_what_was_said(rows: list[Example]) -> None:
    """Its arguments too are called as they are there."""
    calls = [(row, call) for row in rows if (call := called(row)) is not None]

    assert calls
    for row, call in calls:
        tools = {tool["function"]["name"]: tool["function"] for tool in json.loads(row.tools)}
        ((name, value),) = call["arguments"].items()
        assert name in tools[call["name"]]["parameters"]["properties"]
        assert value in row.prompt


def test_some_are_for_none_of_the_functions(rows: list[Example]) -> None:
    """Then the right function is not there, nor one that is like it."""
    none = [row for row in rows if called(row) is None and row.prompt != "fine, thanks"]

    assert 0.05 < len(none) / len(rows) < 0.25
    for row in none:
        kind = row.prompt.split()[0]
        alike = {"alpha", "beta"} if kind in ("alpha", "beta") else {kind}
        assert not any(other in name.lower() for name in names(row) for other in alike)


def test_functions_that_are_alike_are_never_together(rows: list[Example]) -> None:
    """Either would be right."""
    for row in rows:
        shown = " ".join(names(row)).lower()
        assert not ("alpha" in shown and "beta" in shown)
        assert 3 <= len(set(names(row))) <= 5


def test_the_same_rows_come_every_time() -> None:
    """In the same order: a checkpoint knows the place alone."""
    assert list(shared_rows(GIVEN, SHOWN, "train")) == list(shared_rows(GIVEN, SHOWN, "train"))


def test_training_rows_share_their_functions() -> None:
    """About eight do, so that training reads the descriptions once; names are spelled in more ways
    than one, and clients bring system prompts of their own."""
    rows = list(shared_rows(GIVEN, SHOWN, "train"))

    assert len({row.tools for row in rows}) < len(rows) / 4
    assert {"doGamma", "do_gamma", "gamma_do"} <= {name for row in rows for name in names(row)}
    assert len({row.system for row in rows}) > 2


@pytest.fixture(scope="module")
def data_dir() -> Path:
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    return Path(where)


@pytest.mark.data
def test_no_held_out_function_is_trained(data_dir: Path) -> None:
    """Neither as the right one nor beside it; and no test row trains."""
    held_out = {of.name for of in functions() if of.held_out}
    learnt = [*seen("train", data_dir), *seen("validation", data_dir)]
    graded = [*seen("test", data_dir), *unseen(data_dir)]

    assert not held_out & {row.group for row in learnt}
    assert {row.group for row in unseen(data_dir)} == {"", *held_out}
    assert not {row.prompt.lower() for row in learnt} & {row.prompt.lower() for row in graded}
    assert len(learnt) > 3_000  # up to 50 of each function


@pytest.mark.data
def test_every_answer_follows_the_form_that_serving_holds_it_to(data_dir: Path) -> None:
    """Else a grammar would forbid what was learnt."""
    for row in [*seen("train", data_dir)][::40] + [*unseen(data_dir)][::5]:
        form = form_of({"tools": json.loads(row.tools), "tool_choice": "auto"}, 256)
        assert form is not None
        matcher = matcher_of(form)
        assert matcher.consume_tokens([*row.answer.encode()])
        assert matcher.is_accepting()
