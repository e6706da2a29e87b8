"""What was lost, and in which phase."""

from loadtests.chaos.requests import Outcome, Result
from loadtests.nodes.phases import Phase
from loadtests.nodes.report import orderly, report
from loadtests.nodes.run import Run, Turn


async def nothing(_: object) -> str:
    return "worker-1"


DRAIN = Turn(Phase("node drain", True, nothing), 10.0, 20.0, 8, "worker-1")
KILL = Turn(Phase("worker killed", False, nothing), 20.0, 30.0, 8, "worker-2")


def result(began: float, ended: float, outcome: Outcome = Outcome.BROKEN) -> Result:
    return Result(True, began, ended, outcome)


def run(*results: Result) -> Run:
    return Run((DRAIN, KILL), results)


def test_a_request_is_counted_in_the_phase_in_which_it_ended() -> None:
    of = run(result(9, 11), result(12, 21), result(1, 2), result(12, 13, Outcome.ANSWERED))
    assert [len(of.of(turn)) for turn in of.turns] == [2, 1]
    assert [len(of.lost(turn)) for turn in of.turns] == [1, 1]


def test_what_began_after_a_kill_cannot_have_been_in_the_killed_part() -> None:
    of = run(result(19, 21), result(20.5, 22))
    assert (len(of.lost(KILL)), len(of.later(KILL))) == (2, 1)


def test_where_nothing_was_killed_every_refusal_counts() -> None:
    """Also a polite one."""
    of = run(result(11, 12, Outcome.ERROR_STATUS), result(11, 12, Outcome.ANSWERED), result(21, 22))
    assert orderly(of) == (1, 2)


def test_the_report_has_a_row_for_each_phase() -> None:
    text = report(run(result(11, 12), result(21, 22, Outcome.REFUSED)))
    assert text.count("node drain") == text.count("worker killed") == 1
    assert "1 of 1" in text
