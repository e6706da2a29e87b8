"""The embedded store: shared, durable, and each thing once."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.evidence.sqlite_store import SqliteStore
from gateway.evidence.store import (
    AnsweredRequest,
    AnswerFeedback,
    AnswerPair,
    DailyUsage,
    GraderShare,
    ModelAnswer,
)
from router.config import SelectionConfig
from router.selection.evidence import Pair
from router.selection.lifecycle import State
from router.selection.record import Rules, SpecialistRecord, Version, record_pair, register

RULES = Rules(SelectionConfig(), 1)
V1 = Version("a", "b")


def pair(request_id="r1", specialist="sql", time=10.0):
    return AnswerPair(
        request_id,
        V1,
        time,
        ModelAnswer(specialist, 1.0, 0.5, "yes"),
        ModelAnswer("big", 2.0, 0.25, "no"),
    )


def begin(before):
    return register(before, V1, State.ACTIVE, 5.0)


def lose(before):
    return record_pair(
        before or SpecialistRecord(State.ACTIVE, 5.0, V1), Pair(0.0, 1.0), RULES, 6.0
    )


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "evidence.db")


@pytest.fixture
def store(path):
    store = SqliteStore(path)
    yield store
    store.close()


def test_standings_come_back_as_they_were(store, path):
    """Another process reads the same values, evidence included, and the transitions."""
    store.change("sql", begin)
    for _ in range(9):
        standing, _ = store.change("sql", lose)
    other = SqliteStore(path)

    assert other.standings() == {"sql": standing}
    assert [one.after for one in other.transitions("sql", 10)] == ["probation", "active"]
    assert [one.after for one in other.transitions("sql", 1)] == ["probation"]
    assert other.transitions("tools", 10) == []
    other.close()


def test_evidence_of_before_expense_was_known_is_read(store, path):
    """An upgrade keeps it: what it does not hold is not known of those pairs."""
    standing, _ = store.change("sql", lose)
    with sqlite3.connect(path) as other:
        [(value,)] = other.execute("SELECT value FROM standing").fetchall()
        raw = json.loads(value)
        for key in ("engine_seconds", "expense", "net_counts"):
            del raw["evidence"][key]
        other.execute("UPDATE standing SET value = ?", (json.dumps(raw).encode(),))

    found = store.standings()["sql"].evidence
    assert found.counts == standing.evidence.counts
    assert (found.pairs, found.expense.count) == (1, 0)


def test_changes_of_several_gateways_do_not_get_lost(path):
    """Pairs that two gateways record at once are all counted."""

    def work(_):
        mine = SqliteStore(path)
        for _ in range(25):
            mine.change("sql", lambda before: (lose_none(before), None))
        mine.close()

    def lose_none(before):
        standing = before or SpecialistRecord(State.ACTIVE, 5.0, V1, pinned=True)
        return record_pair(standing, Pair(0.0, 1.0), RULES, 6.0)[0]

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
    store = SqliteStore(path)
    assert store.standings()["sql"].evidence.pairs == 50
    store.close()


def test_gateways_that_start_at_once_share_a_new_file(tmp_path):
    """Each makes the tables where they are not there yet, and none is refused."""
    for attempt in range(20):
        path = str(tmp_path / f"{attempt}.db")
        with ThreadPoolExecutor(8) as threads:
            for store in threads.map(SqliteStore, [path] * 8):
                store.close()


def test_a_change_that_fails_changes_nothing(store):
    """What a transition refuses leaves the store as it was, and usable."""
    store.change("sql", begin)

    def fail(before):
        raise LookupError("no")

    with pytest.raises(LookupError):
        store.change("sql", fail)
    assert store.standings()["sql"].state is State.ACTIVE
    store.change("sql", lose)


def kept(store, compared):
    assert store.claim(compared.request_id, compared.specialist.model, compared.time)
    store.keep(compared)


def test_a_request_is_claimed_once_and_its_pair_taken_once(store, path):
    """Of two gateways one compares a request, and one gets its pair; never again any."""
    other = SqliteStore(path)
    kept(store, pair())
    assert not other.claim("r1", "sql", 11.0)
    assert other.waiting("r1") == [pair()]
    assert other.waiting_count() == {"sql": 1}
    assert (store.take(pair(), None), other.take(pair(), None)) == ("taken", "gone")
    assert (other.waiting("r1"), other.waiting_count()) == ([], {})
    assert not other.claim("r1", "sql", 12.0)
    other.close()


def test_a_request_may_be_compared_for_several_specialists(store):
    """Each specialist has a pair of its own; feedback is kept until the last is taken."""
    kept(store, pair())
    kept(store, pair(specialist="other-sql"))
    store.note("r1", "sql", AnswerFeedback(correction="x"), 10.0)
    assert len(store.waiting("r1")) == 2
    store.take(pair(), None)
    assert store.notes("r1") == {"sql": AnswerFeedback(correction="x")}
    store.take(pair(specialist="other-sql"), None)
    assert store.notes("r1") == {}


def test_feedback_is_kept_for_a_comparison_that_goes_on(store, path):
    """A pair that is graded meanwhile leaves it to the next one, on every gateway."""
    other, note = SqliteStore(path), AnswerFeedback(correction="x")
    store.claim("r1", "new-sql", 10.0)
    kept(store, pair())
    store.note("r1", "sql", note, 10.0)
    assert other.take(pair(), None) == "taken"
    store.keep(pair(specialist="new-sql"))
    assert store.notes("r1") == {"sql": note}
    store.take(pair(specialist="new-sql"), None)
    assert store.notes("r1") == {}
    other.close()


@pytest.mark.parametrize("end", ["released", "forgotten"])
def test_a_comparison_without_a_pair_keeps_no_feedback(store, end):
    """One that failed says so; one whose gateway was killed is forgotten with its request."""
    store.claim("r1", "new-sql", 1.0)
    kept(store, pair())
    if end == "released":
        store.release("r1", "new-sql")
    else:
        store.forget(5.0)
    store.note("r1", "sql", AnswerFeedback(correction="x"), 10.0)
    store.take(pair(), None)
    assert store.notes("r1") == {}
    assert store.note("r1", "sql", AnswerFeedback(correction="x"), 11.0) == "settled"


def test_an_id_that_is_known_keeps_its_answer(store):
    """Whatever is said to have been answered under it later, and to whom."""
    store.remember([AnsweredRequest("r1", "sql", 1.0, "one")])
    store.remember([AnsweredRequest("r1", "big", 2.0, "other")])
    asked = [store.model_of("r1", caller) for caller in ("one", "other", "", None)]
    assert asked == ["sql", None, None, "sql"]


def test_a_share_of_a_day_is_counted_over_all_gateways(store, path):
    """Each pair once, for its grader and its specialist; another day is another share."""
    other, share = SqliteStore(path), GraderShare("me", "2026-11-23", 1)
    for name in ("r1", "r2"):
        kept(store, pair(name))
        kept(store, pair(name, "tools"))
    assert [store.take(pair("r1"), share), other.take(pair("r1"), share)] == ["taken", "over_share"]
    assert other.take(pair("r2"), share) == "over_share"
    assert other.waiting_count() == {"sql": 1, "tools": 2}
    assert other.take(pair("r2", "tools"), share) == "taken"
    assert other.take(pair("r2"), replace(share, day="2026-11-24")) == "taken"
    assert [other.graded(name, share) for name in ("sql", "tools", "math")] == [1, 1, 0]
    other.close()


def test_shares_of_past_days_are_forgotten(store):
    """Those of today stay, however short answers are kept."""
    for day in ("2023-11-13", "2023-11-14"):
        kept(store, pair(day))
        store.take(pair(day), GraderShare("me", day, 1))
    store.forget(1_700_000_000.0)  # on the fourteenth
    left = [store.graded("sql", GraderShare("me", day, 1)) for day in ("2023-11-13", "2023-11-14")]
    assert left == [0, 1]


def test_answers_and_notes_are_found(store):
    """The latest word about an answer counts."""
    store.remember([AnsweredRequest("r1", "sql", 1.0), AnsweredRequest("r2", "big", 2.0)])
    store.note("r1", "sql", AnswerFeedback(score=0.5), 1.0)
    store.note("r1", "sql", AnswerFeedback(score=1.0, correction="x"), 2.0)
    assert (store.model_of("r2", None), store.model_of("r3", None)) == ("big", None)
    assert store.notes("r1") == {"sql": AnswerFeedback(score=1.0, correction="x")}


def test_what_is_old_is_forgotten(store):
    """Answers, pairs and feedback from before a time go; states and evidence stay."""
    store.change("sql", begin)
    store.remember([AnsweredRequest("r1", "sql", 10.0), AnsweredRequest("r2", "sql", 30.0)])
    kept(store, pair(time=10.0))
    store.note("r1", "sql", AnswerFeedback(score=1.0), 10.0)
    store.forget(20.0)
    assert (store.model_of("r1", None), store.model_of("r2", None)) == (None, "sql")
    assert (list(store.waiting("r1")), store.notes("r1")) == ([], {})
    assert "sql" in store.standings()


def test_spending_adds_up_by_day(store, path):
    """All gateways spend from one budget, and each day has its own."""
    other = SqliteStore(path)
    store.spend("2026-11-23", 10, 0.5)
    other.spend("2026-11-23", 5, 0.25)
    assert store.spent("2026-11-23") == DailyUsage(15, 0.75)
    assert store.spent("2026-11-24") == DailyUsage()
    other.close()


def test_the_file_is_for_its_owner_alone(store, tmp_path):
    """Answers may stand in it."""
    assert (tmp_path / "evidence.db").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    """The error names the file and the remedy."""
    with pytest.raises(StoreError, match="absent"):
        SqliteStore(str(tmp_path / "absent" / "evidence.db"))


def test_a_file_of_another_kind_is_refused(tmp_path):
    """What is no database is not overwritten."""
    (tmp_path / "notes.txt").write_text("my notes, for ever and ever\n" * 50)
    with pytest.raises(StoreError, match=r"notes\.txt"):
        SqliteStore(str(tmp_path / "notes.txt"))
    assert "my notes" in (tmp_path / "notes.txt").read_text()


def test_a_store_of_another_layout_is_refused(path):
    """A newer version's file is not guessed at."""
    SqliteStore(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"99.*2"):
        SqliteStore(path)


def test_a_store_of_the_first_layout_is_read(path):
    """An upgrade keeps its states, and the answers that wait for feedback, of nobody's."""
    store = SqliteStore(path)
    store.change("sql", begin)
    kept(store, pair())
    store.close()
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE answer")
        database.execute(
            "CREATE TABLE answer (request_id TEXT PRIMARY KEY, model TEXT, time REAL) STRICT"
        )
        database.execute("INSERT INTO answer VALUES ('r1', 'sql', 10.0)")
        database.execute("DROP TABLE graded")
        database.execute("PRAGMA user_version = 1")
    with ThreadPoolExecutor(4) as threads:  # gateways that start at once
        stores = list(threads.map(SqliteStore, [path] * 4))

    assert "sql" in stores[0].standings()
    assert [of.model_of("r1", None) for of in stores] == ["sql"] * 4
    assert (stores[0].model_of("r1", ""), stores[0].model_of("r1", "key")) == ("sql", None)
    assert stores[0].waiting("r1") == [pair()]
    for each in stores:
        each.close()


def test_memory_keeps_nothing():
    """`:memory:` is a store without a file."""
    store = SqliteStore(":memory:")
    store.change("sql", begin)
    store.close()
    assert not Path(":memory:").exists()
