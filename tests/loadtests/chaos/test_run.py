"""What failed, and whether the struck process can have had it."""

from signal import SIGKILL

from loadtests.chaos.door import Door
from loadtests.chaos.report import faults, report
from loadtests.chaos.requests import Outcome, Result
from loadtests.chaos.run import Run, Turn
from loadtests.chaos.victims import Victim
from loadtests.traffic.client import Server

VICTIM = Victim("model replica", lambda found: found, SIGKILL)


def run(*results: Result, carried: int = 1) -> Run:
    door = Door(Server("http://127.0.0.1:1", "key"), "/", [(10.1, 10.6), (50.0, 90.0)])
    return Run("ours", (Turn(VICTIM, 10.0, 20.0, 8, carried),), results, door)


def result(began: float, ended: float, outcome: Outcome = Outcome.BROKEN) -> Result:
    return Result(True, began, ended, outcome)


def test_what_the_process_may_have_had_is_not_elsewhere() -> None:
    """As many of the requests that were open then as it had connections; no request after."""
    assert counted(run(result(9, 11), result(9, 11))) == (2, 1)
    assert counted(run(result(9, 11), result(9, 11), carried=2)) == (2, 0)
    assert counted(run(result(11, 12))) == (1, 1)
    assert counted(run(result(11, 12, Outcome.REFUSED))) == (1, 0)
    assert counted(run(result(9, 11, Outcome.ANSWERED), result(30, 31))) == (0, 0)


def counted(of: Run) -> tuple[int, int]:
    [turn] = of.turns
    return len(of.failed(turn)), of.elsewhere(turn)


def test_the_door_is_measured_in_the_turns() -> None:
    """Not while the stack starts or stops."""
    assert list(faults(run()).values()) == [0.5, 0, 0, 0, 0]


def test_the_report_has_a_row_for_each_part() -> None:
    """And one for each way to end."""
    text = report([run(result(9, 11), result(1, 2, Outcome.ANSWERED))])
    assert text.count("model replica") == 1
    assert "streams: answered" in text
