"""Many requests: their order, how many at a time, and a server that goes away."""

import asyncio
from collections import Counter

import pytest

from lab.comparison.client import ChatRequest, Unreachable
from lab.comparison.endpoint import Endpoint
from lab.comparison.errors import ComparisonError
from lab.comparison.outcomes import Outcome, Timing
from lab.comparison.scheduler import MOST_UNREACHABLE, send_all, shuffled, warm_up

HERE = Endpoint("http://here/v1")
ARMS = ("auto", "generalist", "sql")


def asks(rows: int) -> list[ChatRequest]:
    return [ChatRequest(str(row), arm, arm, HERE, (), 9) for row in range(rows) for arm in ARMS]


def outcome(ask: ChatRequest, error: str | None = None) -> Outcome:
    return Outcome(ask.row, ask.arm, ask.model, "x", Timing(None, 1.0), error=error)


def test_every_arm_is_as_often_first() -> None:
    """Prompt by prompt, in an order of the seed's."""
    found = shuffled(asks(600), 0)

    by_row = [found[place : place + 3] for place in range(0, 1800, 3)]
    assert all(len({ask.row for ask in row}) == 1 for row in by_row)
    first = Counter(row[0].arm for row in by_row)
    assert all(abs(first[arm] - 200) < 45 for arm in ARMS)
    assert [row[0].row for row in by_row] != sorted(row[0].row for row in by_row)
    assert shuffled(asks(600), 0) == found


async def test_no_more_than_so_many_are_asked_at_a_time() -> None:
    """And as many as that."""
    now, most, kept = 0, 0, []

    async def ask_one(ask: ChatRequest) -> Outcome:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return outcome(ask)

    await send_all(asks(10), ask_one, kept.append, 4)

    assert (most, len(kept)) == (4, 30)


async def test_a_server_that_goes_away_ends_the_run() -> None:
    """What it answered is kept, and what it did not is not: the run can go on."""
    kept: list[Outcome] = []

    async def ask_one(ask: ChatRequest) -> Outcome:
        if len(kept) >= 6:
            raise Unreachable("refused")
        return outcome(ask)

    with pytest.raises(ComparisonError, match=r"http://.*refused.* same command"):
        await send_all(asks(40), ask_one, kept.append, 2)

    assert len(kept) == 6
    assert all(of.error is None for of in kept)


async def test_a_server_that_comes_back_was_away() -> None:
    """Requests to which nobody listened have failed then."""
    lost = MOST_UNREACHABLE - 1
    count, kept = 0, []

    async def ask_one(ask: ChatRequest) -> Outcome:
        nonlocal count
        count += 1
        if count <= lost:
            raise Unreachable("refused")
        return outcome(ask)

    await send_all(asks(10), ask_one, kept.append, 1)

    assert [of.error for of in kept] == ["no answer: refused"] * lost + [None] * (30 - lost)


async def test_one_server_may_be_gone_while_another_answers() -> None:
    """The baseline's, say: the run ends all the same."""
    there = Endpoint("http://there/v1")
    both = [
        ChatRequest(str(row), arm, arm, endpoint, (), 9)
        for row in range(60)
        for arm, endpoint in (("auto", HERE), ("generalist", there))
    ]

    async def ask_one(ask: ChatRequest) -> Outcome:
        if ask.endpoint is there:
            raise Unreachable("refused")
        return outcome(ask)

    with pytest.raises(ComparisonError, match="http://there/v1"):
        await send_all(both, ask_one, lambda _: None, 2)


async def test_the_last_requests_may_be_lost() -> None:
    """Too few to say that the server is gone: they count as failed."""
    kept: list[Outcome] = []

    async def ask_one(ask: ChatRequest) -> Outcome:
        if ask.row == "2":
            raise Unreachable("refused")
        return outcome(ask)

    await send_all(asks(3), ask_one, kept.append, 1)

    assert sum(of.error is not None for of in kept) == 3
    assert len(kept) == 9


async def test_every_model_is_warmed_up() -> None:
    """With the first prompts of its arms."""
    asked: list[str] = []

    async def ask_one(ask: ChatRequest) -> Outcome:
        asked.append(ask.model)
        return outcome(ask)

    await warm_up(asks(10), ask_one, 2)

    assert Counter(asked) == Counter(dict.fromkeys(ARMS, 2))


@pytest.mark.parametrize(("model", "said"), [("auto", "refused"), ("sql", "HTTP 500: ill")])
async def test_a_model_that_cannot_warm_up_is_told(model: str, said: str) -> None:
    """Its arm would measure nothing, be nobody there or every answer a failure."""

    async def ask_one(ask: ChatRequest) -> Outcome:
        if ask.model == model == "auto":
            raise Unreachable(said)
        return outcome(ask, said if ask.model == model else None)

    with pytest.raises(ComparisonError, match=f"here/v1: {model}: {said}"):
        await warm_up(asks(3), ask_one, 2)
