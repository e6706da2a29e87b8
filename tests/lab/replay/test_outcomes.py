"""Recorded outcomes as one value."""

import numpy as np
import pytest

from lab.replay.outcomes import gather
from lab.replay.read import RecordedRow
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
        ([], "there are no outcomes"),
        ([row("x", COSTS, a=1, b=0), row("y", COSTS, a=1)], "outcome 2 has scores of a, the first"),
        ([row("x", {"a": 1.0}, a=1), row("y", {"a": 1.0}, a=1)], "of one model"),
        ([row("x", COSTS, a=1, b=0), row("X!", COSTS, a=1, b=0)], "of one prompt"),
        ([row(x, {"a": 1.0, "b": 1.0}, a=1, b=0) for x in "xy"], "all models cost the same"),
        ([row("x", COSTS, "g", a=1, b=0), row("y", COSTS, a=1, b=0)], "1 outcomes have no group"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_replayed_is_refused(rows, said):
    """In words that name the thing."""
    with pytest.raises(DataError, match=said):
        gather(rows)
