"""Objectives, met and missed."""

import pytest

from loadtests.traffic.measurements import Measurements
from loadtests.traffic.result import RequestResult
from loadtests.traffic.slo import MEASURES, Run, SloResult, evaluate, measure


def run(*answers: RequestResult, in_flight: float | None = 0.0) -> Run:
    """These in this order, the first in the first third, the last in the last."""
    measured = Measurements()
    for place, answer in enumerate(answers):
        measured.add(answer, "sql", "patient", 1 + 3 * place // len(answers))
    return Run(measured, in_flight)


def answered(first: float, seconds: float = 9.0, gaps: tuple[float, ...] = ()) -> RequestResult:
    return RequestResult("answered", "", first, seconds, gaps)


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_that_is_listed_exists(name) -> None:
    """And can be taken of a run in which something happened."""
    found = measure(name)(run(*(answered(1.0, 2.0, (0.5,)) for _ in range(3))))

    assert found is not None


def test_percentiles_are_of_all_patient_answers() -> None:
    """Of the first token, of gaps and of whole answers."""
    times = run(*(answered(0.01 * place, place, (0.001 * place,)) for place in range(1, 101)))

    assert measure("first_token_p95_seconds")(times) == pytest.approx(0.95, rel=0.011)
    assert measure("token_gap_p50_seconds")(times) == pytest.approx(0.05, rel=0.011)
    assert measure("answer_p9_seconds")(times) == pytest.approx(9, rel=0.011)


def test_a_target_is_met_up_to_its_limit() -> None:
    """And missed above it."""
    assert SloResult("failed_share", 0.1, 0.1).met
    assert not SloResult("failed_share", 0.1, 0.11).met


def test_what_could_not_be_measured_was_not_met() -> None:
    """No answer at all is no success."""
    found, *_ = evaluate({"answer_p95_seconds": 5}, run(RequestResult("failed", "x")))

    assert (found.value, found.met) == (None, False)


def test_unsent_and_unfinished_requests_have_failed() -> None:
    """Refused ones were refused."""
    found = evaluate(
        {"failed_share": 0.75, "refused_share": 0.1},
        run(
            *(
                RequestResult(outcome, "x")
                for outcome in ("failed", "unsent", "unfinished", "refused")
            )
        ),
    )

    assert [(of.value, of.met) for of in found] == [(0.75, True), (0.25, False)]


def test_a_server_that_tires_is_slower_at_the_end() -> None:
    """By its medians in the first and the last third."""
    tired = run(*(answered(first) for first in (1.0, 1.0, 1.5, 1.5, 2.0, 2.0)))

    assert measure("slowdown")(tired) == pytest.approx(2.0, rel=0.02)


def test_what_the_gateway_still_counts_is_a_leak() -> None:
    """When all clients are gone."""
    found, *_ = evaluate({"in_flight_after": 0}, run(answered(1.0), in_flight=3.0))

    assert not found.met
