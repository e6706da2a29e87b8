"""What other ways to choose would have scored."""

import numpy as np
import pytest

from lab.demonstration.regret import WAYS, known, regret, scores
from tests.lab.demonstration.samples import request


def both(number, specialist, generalist, **fields):
    """A request that the classifier sent to `sql`, with both scores."""
    fields = {"model": "sql", "specialist": "sql"} | fields
    return request(number, outcomes={"sql": specialist, "big": generalist}, **fields)


def test_each_way_gets_the_answer_that_it_would_have_chosen() -> None:
    """By request: who was asked, the classifier's choice, the generalist, the better of the two."""
    found = scores(
        [
            both(1, 1.0, 0.0),
            both(2, 0.0, 1.0),
            both(3, 0.8, 0.6, model="big", reason="no_active_specialist"),
            request(4, outcomes={"big": 0.5}, reason="general"),
        ],
        "big",
    )

    assert found == {
        "selection": [1.0, 0.0, 0.6, 0.5],
        "always route": [1.0, 0.0, 0.8, 0.5],
        "all generalist": [0.0, 1.0, 0.6, 0.5],
        "per domain": [1.0, 0.0, 0.8, 0.5],
        "oracle": [1.0, 1.0, 0.8, 0.5],
    }


def test_the_better_model_of_a_domain_is_another_after_the_swap() -> None:
    """Hindsight chooses for each phase."""
    found = scores([both(1, 1.0, 0.0), both(2, 0.0, 1.0, phase=2)], "big")

    assert found["per domain"] == [1.0, 1.0]


def test_regret_is_summed_against_the_oracle() -> None:
    """As numpy sums it; the oracle itself has none to show."""
    rng = np.random.default_rng(5)
    requests = [both(number, *rng.random(2)) for number in range(40)]
    scored = scores(requests, "big")

    found = regret(scored)

    assert found.keys() == set(WAYS) - {"oracle"}
    for way, values in found.items():
        behind = np.cumsum(np.subtract(scored["oracle"], scored[way]))
        assert values == pytest.approx(behind.tolist())
        assert np.all(np.diff(values, prepend=0) >= -1e-12)


@pytest.mark.parametrize(
    "incomplete",
    [
        pytest.param(request(1, None, error="HTTP 503"), id="no-answer"),
        pytest.param(both(1, 1.0, 0.0, model="other"), id="of-a-third-model"),
        pytest.param(
            request(1, "sql", specialist="sql", outcomes={"sql": 1.0}), id="one-answer-of-two"
        ),
    ],
)
def test_what_is_not_known_is_left_out(incomplete) -> None:
    """A request counts when every answer that could have been chosen has its score."""
    complete = both(2, 1.0, 0.0)

    assert known([incomplete, complete], "big") == (complete,)
