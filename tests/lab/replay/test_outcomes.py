"""Recorded outcomes as one value."""

import errno
import gzip
import json
import os

import numpy as np
import pytest

from lab.replay.outcomes import Layout, RecordedRow, gather, read_outcomes
from lab.statistics.jsonl import shorten
from router.errors import DataError
from tests.lab.replay.recorded import by_lot, recorded


def row(prompt: str, costs: dict[str, float], group: str | None = None, **scores: float):
    return RecordedRow(prompt, scores, costs, group)


def test_models_stand_by_their_cost():
    """The cheapest comes first, whatever the order in the rows."""
    outcomes = recorded()
    assert outcomes.models == ("cheap", "dear")
    assert outcomes.scores.mean(axis=0).tolist() == [0.5, 1.0]
    assert outcomes.costs[0].tolist() == [1.0, 10.0]


def test_the_gain_is_the_best_models_lead_over_the_cheapest():
    """None where the cheapest is the best already."""
    assert recorded(4).gain.tolist() == [0, 1, 0, 1]
    same = {"a": 1.0, "b": 2.0}
    assert gather([row("x", same, a=1, b=0), row("y", same, a=1, b=1)]).gain is None


def test_prompts_of_one_wording_are_one_cluster():
    """Case and punctuation do not tell them apart."""
    costs = {"a": 1.0, "b": 2.0}
    outcomes = gather([row(text, costs, a=1, b=0) for text in ("Why?", "why", "Why not?")])
    assert len(set(outcomes.clusters)) == 2


def test_a_sample_keeps_what_belongs_together():
    """Rows of all arrays, drawn the same way at every call; no more than there are."""
    outcomes = recorded(40)
    drawn = outcomes.sample(10)
    assert len(drawn.prompts) == len(drawn.groups) == 10
    for prompt, scores in zip(drawn.prompts, drawn.scores, strict=True):
        assert scores[0] == ("easy" in prompt)
    assert drawn.prompts == outcomes.sample(10).prompts
    assert len(outcomes.sample(99).prompts) == 40


def test_the_order_of_models_is_that_of_the_sample():
    """A sample in which another model is the cheapest is sorted anew."""
    for seed in range(5):
        drawn = by_lot(200, 3).sample(3, seed)
        assert (np.diff(drawn.costs.mean(axis=0)) >= 0).all()


COSTS = {"a": 1.0, "b": 2.0}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no outcomes"),
        ([row("x", COSTS, a=1, b=0), row("y", COSTS, a=1)], r"outcome 2.* a\b"),
        ([row("x", {"a": 1.0}, a=1), row("y", {"a": 1.0}, a=1)], "have one model"),
        ([row("x", COSTS, a=1, b=0), row("X!", COSTS, a=1, b=0)], "have one prompt"),
        ([row(x, {"a": 1.0, "b": 1.0}, a=1, b=0) for x in "xy"], "cost the same"),
        ([row("x", COSTS, "g", a=1, b=0), row("y", COSTS, a=1, b=0)], "1 outcomes.*group"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_replayed_is_refused(rows, said):
    """In words that name the thing."""
    with pytest.raises(DataError, match=said):
        gather(rows)


ROW = {
    "prompt": "Why is the sky blue?",
    "group": "physics",
    "scores": {"small": False, "large": 1},
    "costs": {"small": 0.0002, "large": 0.009},
    "note": "other keys are passed over",
}
READ = RecordedRow(
    "Why is the sky blue?",
    {"small": 0.0, "large": 1.0},
    {"small": 0.0002, "large": 0.009},
    "physics",
)
CSV = "prompt,group,score:small,score:large,cost:small,cost:large\n"


def test_json_lines(tmp_path):
    """True and false count as 1 and 0."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n")
    assert read_outcomes(path) == [READ]


def test_csv_says_the_same(tmp_path):
    """A column per model for the scores, and one for the costs; gzipped too."""
    path = tmp_path / "rows.csv.gz"
    line = "Why is the sky blue?,physics,0,1,0.0002,0.009\n"
    path.write_bytes(gzip.compress((CSV + line).encode()))
    assert read_outcomes(path) == [READ]


def test_an_empty_cell_is_absent(tmp_path):
    """A row without a group has none."""
    path = tmp_path / "rows.csv"
    path.write_text(f"{CSV}Why?,,0,1,0.0002,0.009\n")
    assert read_outcomes(path)[0].group is None


def test_prices_take_the_place_of_costs(tmp_path):
    """For the models that they name, and no others."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW | {"costs": {"small": 3}}) + "\n")
    [row] = read_outcomes(path, Layout(prices={"large": 5.0, "unknown": 1.0}))
    assert row.costs == {"small": 3.0, "large": 5.0}


def test_the_group_may_have_another_key(tmp_path):
    """As in files of others."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW | {"eval_name": "mbpp"}) + "\n")
    assert read_outcomes(path, Layout(group_key="eval_name"))[0].group == "mbpp"


@pytest.mark.parametrize(
    ("change", "said", "remedy"),
    [
        ({"scores": {}}, "scores is {}", "each model"),
        (
            {"scores": {"small": 2, "large": 1}},
            "scores.small is 2",
            "0 to 1",
        ),
        ({"scores": {"small": "x"}}, "scores.small is 'x'", "0 to 1"),
        ({"costs": {"small": -1}}, "costs.small is -1", "at least 0"),
        ({"costs": {"small": float("nan")}}, "costs.small is nan", "at least 0"),
        ({"costs": {"small": float("inf")}}, "costs.small is inf", "at least 0"),
        ({"costs": {"small": 10**400}}, f"costs.small is {shorten(10**400)}", "at least 0"),
        ({"costs": {"small": 1}}, "has no cost of 'large'", "--price"),
        ({"prompt": None}, "prompt is None", "text"),
        ({"group": 7}, "group is 7", "text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_names_its_line(tmp_path, change, said, remedy):
    """And the value, and the remedy."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps(ROW | change) + "\n")
    with pytest.raises(DataError) as error:
        read_outcomes(path)
    fault, _, end = str(error.value).partition("; ")
    assert fault == f"{path}:2: {said}"
    assert remedy in end


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{CSV}Why?,physics,yes,1,1,2\n", "rows.csv:2: score:small is 'yes'"),
        (f"{CSV}Why?,physics,0,1,1\n", "rows.csv:2: has more or fewer cells"),
        (CSV, "rows.csv holds no rows"),
    ],
    ids=["no number", "cells", "no rows"],
)
def test_a_fault_in_csv_names_its_line(tmp_path, text, said):
    """As in JSON."""
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read_outcomes(path)
    assert said in str(error.value)


def test_a_prompt_too_long_for_csv_is_told(tmp_path):
    """With what to write in its place."""
    path = tmp_path / "rows.csv"
    path.write_text(f"{CSV}{'x' * 200_000},,0,1,0.0002,0.009\n")
    with pytest.raises(DataError, match=r"rows\.csv:2: .*JSON Lines"):
        read_outcomes(path)


def test_a_file_that_is_not_there(tmp_path):
    """One line says so."""
    with pytest.raises(DataError, match=rf"rows\.csv .*{os.strerror(errno.ENOENT)}"):
        read_outcomes(tmp_path / "rows.csv")
