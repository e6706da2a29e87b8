"""How soon a demotion was seen and felt."""

from lab.demonstration.demotions import demotions
from tests.lab.demonstration.samples import demoted, request, story


def mine(number, model="sql", **fields):
    return request(number, model, specialist="sql", **fields)


def moved(number, **fields):
    return mine(number, "big", reason="no_active_specialist", **fields)


def test_it_counts_what_came_before_and_what_still_reached_it() -> None:
    """Requests of all kinds before, its own answers before, and those sent too late."""
    found = story(
        *(mine(1), request(2, reason="general"), mine(3), mine(5), moved(6), moved(7)),
        transitions=(demoted(4.5),),
    )

    [demotion] = demotions(found)

    assert (demotion.after, demotion.answered) == (3, 2)
    assert (demotion.late, demotion.late_seconds) == (1, 0.5)
    assert demotion.first_moved_seconds == 1.5


def test_a_demotion_at_the_end_moves_nothing() -> None:
    """Without later requests there is nothing to tell."""
    [demotion] = demotions(story(mine(1), transitions=(demoted(2.0),)))

    assert (demotion.late, demotion.late_seconds, demotion.first_moved_seconds) == (0, 0.0, None)


def test_what_it_answers_after_it_came_back_is_not_late() -> None:
    """The count ends with its next change of state."""
    back = demoted(4.5, before="probation", after="active")
    found = story(moved(3), mine(5), transitions=(demoted(2.5), back))

    [demotion] = demotions(found)

    assert demotion.late == 0


def test_only_lost_traffic_by_evidence_is_a_demotion() -> None:
    """Neither an order of the operator nor what moves one that has no traffic."""
    ordered = demoted(1.0, by="operator")
    retired = demoted(2.0, before="probation", after="retired")

    assert demotions(story(mine(3), transitions=(ordered, retired))) == ()
