"""What was measured, grouped and added up."""

import json

import pytest

from loadtests.traffic.answer import Answer
from loadtests.traffic.ledger import Ledger


def answer(outcome="answered", why="", model="sql", first=0.2) -> Answer:
    usage = {"completion_tokens": 4.0, "engine_seconds": 0.5}
    return Answer(outcome, why, first, 1.0, (0.1, 0.3), 0.01, model, usage)


def test_a_request_counts_in_each_of_its_groups() -> None:
    """All, domain, model, route, reader, third."""
    ledger = Ledger()

    ledger.add(answer(), "sql", "patient", 1)
    ledger.add(answer(model="generalist"), "sql", "slow", 3)

    assert ledger.of().asked == 2
    assert ledger.of("domain", "sql").asked == 2
    assert {name: of.asked for name, of in ledger.groups("model").items()} == {
        "generalist": 1,
        "sql": 1,
    }
    assert list(ledger.groups("route")) == ["sql generalist", "sql sql"]
    assert list(ledger.groups("reader")) == ["patient", "slow"]
    assert list(ledger.groups("third")) == ["1", "3"]


def test_times_of_a_slow_reader_are_not_the_servers() -> None:
    """They are counted nowhere."""
    ledger = Ledger()

    ledger.add(answer(), "sql", "slow", 1)

    assert ledger.of().times["first"].count == ledger.of().times["gap"].count == 0


def test_times_of_what_was_not_answered_do_not_count() -> None:
    """A quick refusal must not make a server look quick."""
    ledger = Ledger()

    ledger.add(answer("refused", "HTTP 429: busy", None, None), "sql", "patient", 1)

    assert ledger.of().times["answer"].count == 0
    assert ledger.of().reasons == {"HTTP 429: busy": 1}


def test_shares_are_of_all_requests() -> None:
    """Also of none."""
    ledger = Ledger()
    for outcome in ("answered", "failed", "unsent", "refused"):
        ledger.add(answer(outcome), "sql", "patient", 1)

    assert ledger.of().share("failed", "unsent") == 0.5
    assert Ledger().of().share("failed") == 0.0


def test_what_answers_say_has_a_mean_over_those_that_say_it() -> None:
    """None where nobody does."""
    ledger = Ledger()
    ledger.add(answer(), "sql", "patient", 1)
    ledger.add(Answer("failed", "x"), "sql", "patient", 1)

    assert ledger.of().mean("engine_seconds") == 0.5
    assert ledger.of().mean("cost") is None


def test_ledgers_of_several_processes_add_up() -> None:
    """Over JSON, as a worker sends them."""
    whole, master = Ledger(), Ledger()
    for worker in range(3):
        own = Ledger()
        for ledger in (own, whole):
            for third in (1, 2, 3):
                ledger.add(answer(first=0.1 * (worker + 1)), "sql", "patient", third)
            ledger.add(answer("refused", "busy"), "tools", "leaving", 2)
        master.merge(json.loads(json.dumps(own.fields())))

    assert master.fields().keys() == whole.fields().keys()
    assert master.of().asked == 12
    assert master.of().reasons == {"busy": 3}
    assert master.of().mean("engine_seconds") == pytest.approx(0.5)
    for share in (0.1, 0.5, 0.9):
        mine, its = (of.of().times["first"].quantile(share) for of in (master, whole))
        assert mine == its
